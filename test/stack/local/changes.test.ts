/** A stack that goes on while parts of it end or change: a replica that is killed, a configuration that is applied, a secret that rotates. */
import { createServer, type Server } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Everything, startEverything } from "../../fixtures/everything/server.ts";
import { callModern, connectV1, isRunning, register, send, titled, waitFor } from "../../harness/index.ts";
import { absent, type LocalStack, useLocalStack } from "./stack.ts";

describe.skipIf(absent !== undefined)(titled("a stack of this machine", absent), () => {
  const stack = useLocalStack();
  let fixture: Everything;
  beforeAll(async () => {
    fixture = await startEverything({ mode: "modern" });
    await register(stack().gateway, { name: "up", url: fixture.url });
    await waitFor(
      async () => {
        const answers = await Promise.all([0, 1].map((at) => echo(stack().ports.gateway + at, "first")));
        return answers.every((text) => text === "first");
      },
      60_000,
      "the catalogue at both replicas",
    );
  });
  afterAll(() => fixture?.close());

  /** The text of one call, a fault's text where it failed. */
  async function echo(port: number, text: string): Promise<string> {
    const url = `http://127.0.0.1:${port}/mcp`;
    const params = { name: "up__echo", arguments: { text } };
    const answer = await callModern(stack().gateway, url, 1, "tools/call", params);
    const [content] = Object(answer.json().result).content ?? [];
    return content?.text ?? `${answer.status} ${answer.text}`;
  }

  async function pidOf(name: string): Promise<number> {
    const { workloads } = await stack().state();
    return workloads.find((one) => one.name === name)?.identity?.pid ?? 0;
  }

  /** Which replica has a call in its hands. */
  async function busyReplica(): Promise<"gateway-1" | "gateway-2"> {
    const { gateway, ports } = stack();
    return await waitFor(async () => {
      for (const [at, name] of (["gateway-1", "gateway-2"] as const).entries()) {
        const metrics = await send("GET", `http://127.0.0.1:${ports.gateway + at}/metrics`, gateway.headers);
        if (/^mcp_requests_in_flight\{[^}]*class="call"[^}]*\} [1-9]/m.test(metrics.text)) return name;
      }
      return undefined;
    });
  }

  it("a replica that is killed in a call is started again, and the client's next call works", async () => {
    const { gateway, ports } = stack();
    const client = await connectV1(gateway.mcpUrl, gateway);
    const call = client.callTool({ name: "up__wait", arguments: { key: "killed", ms: 30_000 } }).then(
      () => "answered",
      () => "lost",
    );
    await waitFor(() => fixture.observed.waiting.includes("killed"), 60_000, "the call upstream");
    const name = await busyReplica();
    const victim = await pidOf(name);
    process.kill(victim, "SIGKILL");
    // Its sockets are open until the last of its threads has ended, which its parent is told.
    await waitFor(async () => (await pidOf(name)) !== victim);
    expect(await client.callTool({ name: "up__echo", arguments: { text: "next" } })).toMatchObject({
      content: [{ type: "text", text: "next" }],
    });
    expect(await call).toBe("lost");
    const port = ports.gateway + (name === "gateway-1" ? 0 : 1);
    await waitFor(async () => (await echo(port, "again").catch(() => "")) === "again", 60_000, "the replica");
    const { workloads } = await stack().state();
    expect(workloads.filter(({ restarts }) => restarts > 0).map((one) => [one.name, one.restarts])).toEqual([
      [name, 1],
    ]);
    await client.close();
  }, 90_000);

  it("a change of the configuration replaces the replicas one after the other, and no call fails", async () => {
    const { ports } = stack();
    const before = await pids(stack());
    const texts: string[] = [];
    let isOver = false;
    const caller = async () => {
      while (!isOver) texts.push(await echo(ports.nginx, "a call").catch((error: Error) => error.message));
    };
    const callers = Promise.all([caller(), caller()]);
    const { code, stderr } = await stack().up({ logLevel: "debug" });
    isOver = true;
    await callers;
    expect({ code, failed: texts.filter((text) => text !== "a call") }).toEqual({ code: 0, failed: [] });
    expect(texts.length).toBeGreaterThan(100);
    expect(stderr).toContain("gateway-1: ready\ngateway-2: ready\n");
    const after = await pids(stack());
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(changed).toEqual(["gateway-1", "gateway-2"]);
    expect((await stack().command("verify")).code).toBe(0);
  }, 120_000);

  it("the same configuration again changes nothing", async () => {
    const before = await pids(stack());
    const { code } = await stack().up({ logLevel: "debug" });
    expect({ code, pids: await pids(stack()) }).toEqual({ code: 0, pids: before });
  }, 60_000);

  it("a rotated password becomes the role's, and everything logs in with it", async () => {
    const old = await stack().secret("database-gateway");
    const { code } = await stack().up({ logLevel: "debug", secrets: { database: "2" } });
    const fresh = await stack().secret("database-gateway");
    expect({ code, isOther: fresh !== old }).toEqual({ code: 0, isOther: true });
    expect(await echo(stack().ports.nginx, "after the rotation")).toBe("after the rotation");
    expect((await stack().command("verify")).code).toBe(0);
  }, 120_000);

  it("what crashes again and again is called failed, with its last lines, and nothing else is touched", async () => {
    const { ports } = stack();
    const before = await pids(stack());
    const squatter = await takePort(ports.redis, () => pidOf("redis"));
    const failed = await waitFor(
      async () => {
        const { workloads } = await stack().state();
        return workloads.find(({ name, state }) => name === "redis" && state === "failed");
      },
      60_000,
      "the crash loop",
    );
    expect(failed.failure).toMatch(/^ended with exit code 1; it printed last:\n.*Address already in use/s);
    const { redis: _, ...others } = before;
    expect(await pids(stack())).toMatchObject(others);
    await new Promise((resolve) => squatter.close(resolve));
    await waitFor(
      async () => {
        const { workloads } = await stack().state();
        return workloads.some(({ name, state }) => name === "redis" && state === "ready");
      },
      60_000,
      "Redis once its port is free",
    );
  }, 120_000);
});

/** Ends whoever listens there and listens instead, before he is started again. */
async function takePort(port: number, holder: () => Promise<number>): Promise<Server> {
  return await waitFor(
    async () => {
      const pid = await holder();
      if (pid > 0) process.kill(pid, "SIGKILL");
      await waitFor(() => pid === 0 || !isRunning(pid));
      const server = createServer((socket) => socket.destroy());
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(port, "127.0.0.1", resolve);
      });
      return server;
    },
    60_000,
    "the port",
  );
}

async function pids(stack: LocalStack): Promise<Readonly<Record<string, number | null>>> {
  const { workloads } = await stack.state();
  const alive = workloads.map(({ name, identity }) => {
    if (identity !== null && !isRunning(identity.pid)) throw new Error(`${name} is on record and does not run`);
    return [name, identity?.pid ?? null];
  });
  return Object.fromEntries(alive);
}

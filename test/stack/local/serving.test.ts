/** The whole stack serves: clients of both eras, streams that outlive every idle timeout, the cache, and limits as planned under load. */
import { readFileSync } from "node:fs";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Everything, startEverything } from "../../fixtures/everything/server.ts";
import {
  callModern,
  connectSse,
  connectV1,
  connectV2,
  LEGACY,
  message,
  openLegacySession,
  openStream,
  register,
  rest,
  send,
  titled,
  waitFor,
} from "../../harness/index.ts";
import { absent, tokenOf, useLocalStack } from "./stack.ts";

describe.skipIf(absent !== undefined)(titled("a stack of this machine", absent), () => {
  const stack = useLocalStack();
  let legacy: Everything;
  let modern: Everything;
  beforeAll(async () => {
    [legacy, modern] = await Promise.all([startEverything({ mode: "legacy" }), startEverything({ mode: "modern" })]);
    await register(stack().gateway, { name: "up", url: legacy.url });
    await register(stack().gateway, { name: "mod", url: modern.url });
    await bothKnow();
  });
  afterAll(async () => {
    await legacy?.close();
    await modern?.close();
  });

  /** Every replica has the catalogue, whichever of them nginx asks. */
  async function bothKnow(): Promise<void> {
    const { gateway, ports } = stack();
    for (const port of [ports.gateway, ports.gateway + 1])
      await waitFor(
        async () => {
          const { text } = await callModern(gateway, `http://127.0.0.1:${port}/mcp`, 1, "tools/list");
          return text.includes("up__echo") && text.includes("mod__echo");
        },
        60_000,
        `the catalogue at port ${port}`,
      );
  }

  it("is as planned, by its own account", async () => {
    const { code, stdout } = await stack().command("verify");
    expect({ code, wrong: stdout.split("\n").filter((line) => line.startsWith("WRONG")) }).toEqual({
      code: 0,
      wrong: [],
    });
    expect(stdout).toContain("NOT CHECKED  all        closed edges");
  });

  it("says what runs", async () => {
    const { code, stdout } = await stack().command("status", "--json");
    const { state } = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(state.workloads.map((one: { name: string; state: string }) => [one.name, one.state])).toEqual([
      ["postgres", "ready"],
      ["redis", "ready"],
      ["roles", "done"],
      ["migrations", "done"],
      ["pgbouncer", "ready"],
      ["gateway-1", "ready"],
      ["gateway-2", "ready"],
      ["nginx", "ready"],
    ]);
  });

  it.for(["first line", "second line, legacy", "second line, modern"] as const)(
    "an MCP client of the SDK's %s",
    async (line) => {
      const { gateway } = stack();
      const client =
        line === "first line"
          ? await connectV1(gateway.mcpUrl, gateway)
          : await connectV2(gateway.mcpUrl, gateway, line === "second line, modern" ? "modern" : "legacy");
      for (const name of ["up__echo", "mod__echo"]) {
        const { content } = await client.callTool({ name, arguments: { text: `to ${name}` } });
        expect(content).toEqual([{ type: "text", text: `to ${name}` }]);
      }
      await client.close();
    },
  );

  it("streams that say nothing outlive every idle timeout of the plan", async () => {
    const { gateway } = stack();
    const { timeouts } = await stack().plan();
    const longestS = Math.max(
      timeouts.proxyReadS,
      timeouts.lbIdleS,
      timeouts.nginxKeepaliveS,
      timeouts.gatewayKeepaliveS,
      timeouts.streamReadS,
    );
    expect(longestS).toBeLessThan(15);
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const get = { ...session.headers, accept: "text/event-stream" };
    const stream = await openStream("GET", gateway.mcpUrl, get);
    const sse = await connectSse(`${gateway.url}/sse`, gateway);
    const socket = await openSocket(`${gateway.url.replace("http", "ws")}/ws`, gateway.headers);
    const opened = performance.now();
    await waitFor(() => performance.now() - opened > (longestS + 1) * 1000, 60_000);
    const uri = "up+test://watched-resource";
    expect((await session.call(7, "resources/subscribe", { uri })).json()).toMatchObject({ result: {} });
    await waitFor(
      async () => {
        await session.call(8, "tools/call", {
          name: "up__touch_resource",
          arguments: { uri: "test://watched-resource" },
        });
        return stream.events.some(({ data }) => data.includes("notifications/resources/updated"));
      },
      60_000,
      "a notice on the silent stream",
    );
    expect(await sse.callTool({ name: "up__echo", arguments: { text: "still here" } })).toMatchObject({
      content: [{ type: "text", text: "still here" }],
    });
    expect(await socket.ask(2, "tools/call", { name: "up__echo", arguments: { text: "me too" } })).toMatchObject({
      result: { content: [{ type: "text", text: "me too" }] },
    });
    stream.close();
    socket.close();
    await sse.close();
  });

  it("nginx keeps an answer for its principal alone, and for the catalogue's version alone", async () => {
    const { gateway } = stack();
    const key = await stack().secret("token-signing");
    const other = await tokenOf(key, "other@example.com", true);
    const again = await tokenOf(key, "admin@example.com", true);
    const status = async (token: string) => {
      const answer = await send("GET", `${gateway.url}/resources`, { authorization: `Bearer ${token}` });
      expect(answer.status).toBe(200);
      return answer.headers["x-cache-status"];
    };
    await waitFor(async () => (await status(gateway.token)) === "HIT", 60_000, "an answer from the cache");
    expect(await status(again)).toBe("HIT");
    expect(await status(other)).toBe("MISS");
    const made = await rest(gateway, "POST", "/resources", { uri: "text://new", name: "new", content: "text" });
    expect(made.status).toBe(201);
    const first = await waitFor(
      async () => {
        const { headers, text } = await send("GET", `${gateway.url}/resources`, gateway.headers);
        return text.includes("text://new") ? headers["x-cache-status"] : undefined;
      },
      60_000,
      "the changed catalogue",
    );
    expect(first).toBe("MISS");
  });

  it("every process may open what the plan says, as the kernel tells it", async () => {
    const { workloads } = await stack().state();
    const plan = await stack().plan();
    const planned: Readonly<Record<string, number>> = {
      nginx: plan.nginx.nofile,
      pgbouncer: plan.pgbouncer?.nofile ?? 0,
      postgres: plan.postgres.nofile,
      redis: plan.redis.nofile,
    };
    const found = workloads.flatMap(({ name, identity }) =>
      identity === null || planned[name] === undefined ? [] : [[name, softLimit(identity.pid)]],
    );
    expect(Object.fromEntries(found)).toEqual(planned);
    const gateways = workloads.filter(({ tier }) => tier === "gateway");
    for (const { identity } of gateways)
      expect(softLimit(identity?.pid ?? 0)).toBeGreaterThanOrEqual(plan.gateway.nofile);
  });

  it("under load, connections stay within the plan at PgBouncer and at PostgreSQL", async () => {
    const { gateway, ports } = stack();
    const plan = await stack().plan();
    const password = await stack().secret("database-monitor");
    const counters = await Promise.all([
      connected(ports.postgres, "postgres", password),
      connected(ports.pgbouncer, "pgbouncer", password),
    ]);
    const [postgres, pooler] = counters;
    const most = { clients: 0, servers: 0, backends: 0 };
    let calls = 0;
    let isOver = false;
    const caller = async (at: number) => {
      while (!isOver) {
        const answer = await rest(gateway, "GET", `/tools?tags=${at}-${calls++}`);
        if (answer.status !== 200) throw new Error(`GET /tools: ${answer.status} ${JSON.stringify(answer.body)}`);
        await rest(gateway, "GET", "/gateways");
      }
    };
    let failure: unknown;
    const callers = Promise.all(Array.from({ length: 20 }, (_, at) => caller(at))).catch((error: unknown) => {
      failure = error;
    });
    await waitFor(
      async () => {
        if (failure !== undefined) return true;
        const pools = await pooler.query("SHOW POOLS");
        const ours = pools.rows.filter(({ database }) => database === "mcp");
        const sum = (...keys: readonly string[]) =>
          ours.reduce((all, row) => all + keys.reduce((part, key) => part + Number(row[key] ?? 0), 0), 0);
        most.clients = Math.max(most.clients, sum("cl_active", "cl_waiting"));
        most.servers = Math.max(most.servers, sum("sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login"));
        const backends = await postgres.query(
          "SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = 'gateway'",
        );
        most.backends = Math.max(most.backends, backends.rows[0].n);
        return calls > 1500;
      },
      60_000,
      "1500 calls",
    );
    isOver = true;
    await callers;
    expect(failure).toBeUndefined();
    for (const counter of counters) await counter.end();
    expect(most.clients).toBeGreaterThan(0);
    expect(most.clients).toBeLessThanOrEqual(plan.pgbouncer?.maxClientConn ?? 0);
    expect(most.servers).toBeLessThanOrEqual(plan.pgbouncer?.maxDbConnections ?? 0);
    expect(most.backends).toBeLessThanOrEqual(plan.pgbouncer?.maxDbConnections ?? 0);
    expect(most.backends).toBeGreaterThan(0);
  });

  async function connected(port: number, database: string, password: string): Promise<pg.Client> {
    const client = new pg.Client({ host: "127.0.0.1", port, user: "monitor", password, database });
    client.on("error", () => {});
    await client.connect();
    return client;
  }
});

function softLimit(pid: number): number {
  return Number(/^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1]);
}

async function openSocket(url: string, headers: Readonly<Record<string, string>>) {
  const socket = new WebSocket(url, "mcp", { headers });
  const waiting = new Map<unknown, (value: unknown) => void>();
  socket.on("message", (data) => {
    const parsed = JSON.parse(String(data));
    waiting.get(parsed.id)?.(parsed);
  });
  await new Promise((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  const ask = (id: number, method: string, params?: object): Promise<unknown> =>
    new Promise((resolve, reject) => {
      waiting.set(id, resolve);
      socket.once("close", () => reject(new Error("the socket was closed")));
      socket.send(message(id, method, params));
    });
  const clientInfo = { name: "ws", version: "1" };
  await ask(0, "initialize", { protocolVersion: LEGACY, capabilities: {}, clientInfo });
  socket.send(message(undefined, "notifications/initialized"));
  return { ask, close: () => socket.close() };
}

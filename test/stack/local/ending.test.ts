/** How a stack ends: in order, after a kill of its supervisor, and found again with its data. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { descendants, isRunning, openLegacySession, openStream, rest, titled, waitFor } from "../../harness/index.ts";
import { absent, type LocalStack, useLocalStack } from "./stack.ts";

describe.skipIf(absent !== undefined)(titled("a stack of this machine", absent), () => {
  const stack = useLocalStack();

  /** Everything that belongs to it: what is on record and all below. */
  async function everybody({ state }: LocalStack): Promise<readonly number[]> {
    const { workloads, supervisor } = await state();
    const leaders = [supervisor.pid, ...workloads.flatMap(({ identity }) => identity?.pid ?? [])];
    return [...new Set(leaders.flatMap((pid) => [pid, ...descendants(pid)]))];
  }

  async function make(name: string): Promise<void> {
    const answer = await rest(stack().gateway, "POST", "/servers", { name });
    expect(answer.status).toBe(201);
  }

  async function names(): Promise<readonly unknown[]> {
    const { body } = await rest(stack().gateway, "GET", "/servers");
    const value: unknown = body.value ?? body.servers;
    return Array.isArray(value) ? value.map(({ name }) => name) : [];
  }

  it("secrets are in files that only their reader reads", async () => {
    const { data } = stack();
    const { workloads } = await stack().state();
    const password = await stack().secret("database-gateway");
    expect(statSync(join(data, "secrets.json")).mode & 0o777).toBe(0o600);
    expect(statSync(join(data, "gateway-1/secrets/database-url")).mode & 0o777).toBe(0o600);
    for (const { identity } of workloads.filter((one) => one.identity !== null))
      for (const file of ["cmdline", "environ"])
        expect(readFileSync(`/proc/${identity?.pid}/${file}`, "latin1")).not.toContain(password);
    for (const name of ["supervisor", ...workloads.map((one) => one.name)]) {
      const log = join(data, "logs", `${name}.log`);
      if (existsSync(log)) expect(readFileSync(log, "utf8")).not.toContain(password);
    }
  });

  it("down leaves no process and keeps the data, which the next up finds", async () => {
    await make("kept");
    const before = await everybody(stack());
    expect(before.length).toBeGreaterThan(10);
    const { gateway } = stack();
    const session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    const stream = await openStream("GET", gateway.mcpUrl, { ...session.headers, accept: "text/event-stream" });
    const { code, stderr } = await stack().command("down");
    await stream.ended;
    expect(stream.isComplete()).toBe(true);
    expect(readFileSync(join(stack().data, "logs/supervisor.log"), "utf8")).not.toContain("was killed");
    expect({ code, alive: before.filter(isRunning) }).toEqual({ code: 0, alive: [] });
    expect(stderr).toContain("ended: postgres, redis, pgbouncer, gateway-1, gateway-2, nginx;");
    expect((await stack().command("status")).stdout).toBe("stack test does not run\n");
    expect((await stack().up()).code).toBe(0);
    expect(await names()).toEqual(["kept"]);
  }, 120_000);

  it("after a kill of the supervisor the rest goes on, is found, and is ended by down", async () => {
    const { supervisor } = await stack().state();
    const all = (await everybody(stack())).filter((pid) => pid !== supervisor.pid);
    process.kill(supervisor.pid, "SIGKILL");
    await waitFor(() => !isRunning(supervisor.pid));
    expect(await names()).toEqual(["kept"]);
    const { code, stdout } = await stack().command("status");
    expect(code).toBe(1);
    expect(stdout).toContain("its supervisor is gone");
    const down = await stack().command("down");
    expect({ code: down.code, alive: all.filter(isRunning) }).toEqual({ code: 0, alive: [] });
  }, 120_000);

  it("a port that somebody else holds is refused by the key that moves ours", async () => {
    const { ports } = stack();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(ports.pgbouncer, "127.0.0.1", resolve));
    try {
      const { code, stderr } = await stack().up();
      expect(code).toBe(1);
      expect(stderr).toContain(
        `mcp-stack: port ${ports.pgbouncer} of pgbouncer is in use by another program: change deployment.local.ports.pgbouncer\n`,
      );
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
    expect((await stack().command("status")).stdout).toBe("stack test does not run\n");
  }, 60_000);
});

/** Two replicas of two workers each, on real servers: they hold one limit, one quota and one set of pinned tools. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startChangingUpstream, type Tool } from "../gateway/federation/changing-upstream.ts";
import {
  type Daemon,
  type Gateway,
  MCP_HEADERS,
  missing,
  register,
  rest,
  send,
  startGateway,
  startPostgres,
  startRedis,
  titled,
  waitFor,
} from "../harness/index.ts";

const SECRET = "a secret that both replicas share, long enough for HS256";
const PROCESSES = 4;
const LIMIT = 40;

describe.each(["Redis", "PostgreSQL"])("limits shared in %s", (store) => {
  const absent = missing("postgres", ...(store === "Redis" ? (["redis-server"] as const) : []));
  describe.skipIf(absent !== undefined)(titled("two replicas of two workers", absent), () => {
    const daemons: Daemon[] = [];
    const gateways: Gateway[] = [];
    const honest: Tool = { name: "add", description: "Adds two numbers", inputSchema: { type: "object" } };
    let upstream: Awaited<ReturnType<typeof startChangingUpstream>>;

    beforeAll(async () => {
      upstream = await startChangingUpstream([honest]);
      daemons.push(await startPostgres());
      if (store === "Redis") daemons.push(await startRedis());
      const [postgres, redis] = daemons;
      const env = {
        DATABASE_URL: postgres?.url ?? "",
        ...(redis === undefined ? {} : { REDIS_URL: redis.url }),
        JWT_SECRET_KEY: SECRET,
        AUTH_ENCRYPTION_SECRET: SECRET,
        SESSION_KEYS: SECRET,
        WORKERS: "2",
        // Of tools, so that what the test asks of the gateways themselves is not counted.
        RATE_LIMITS: `tool:sums/add=${LIMIT}/h`,
        QUOTAS: "tool:sums/sub=15/month",
        TOOL_PIN_POLICY: "quarantine",
      };
      gateways.push(...(await Promise.all([startGateway({ env }), startGateway({ env })])));
      const [one] = gateways;
      if (one === undefined) throw new Error("there is no gateway");
      await register(one, { name: "sums", url: upstream.url });
      await waitFor(
        async () => (await Promise.all(gateways.map((each) => listed(each)))).every((names) => names.length === 1),
        60_000,
        "both to list the tool",
      );
    });
    afterAll(async () => {
      await Promise.all(gateways.map((each) => each.stop()));
      await upstream?.close();
      for (const daemon of daemons.reverse()) await daemon.stop();
    });

    async function rpc(gateway: Gateway, method: string, params: unknown): Promise<Record<string, unknown>> {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
      return (await send("POST", `${gateway.url}/rpc`, { ...gateway.headers, ...MCP_HEADERS }, body)).json();
    }
    async function listed(gateway: Gateway): Promise<string[]> {
      const { tools } = (await rpc(gateway, "tools/list", {})).result as { tools: { name: string }[] };
      return tools.map(({ name }) => name).filter((name) => name.startsWith("sums__"));
    }
    /** Each over a connection of its own, so that every worker has some. */
    async function outcomes(tool: string, count: number): Promise<string[]> {
      const found: string[] = [];
      for (let call = 0; call < count; call++) {
        const gateway = gateways[call % gateways.length];
        if (gateway === undefined) throw new Error("there is no gateway");
        const { error } = await rpc(gateway, "tools/call", { name: `sums__${tool}`, arguments: {} });
        found.push(error === undefined ? "ok" : String((error as { data?: { code?: string } }).data?.code));
      }
      return found;
    }

    it("let in together what one limit allows, and what they held goes back", async () => {
      const first = await outcomes("add", LIMIT + 20);
      const served = first.filter((one) => one === "ok").length;
      expect(served).toBeLessThanOrEqual(LIMIT);
      // A sixteenth of the bucket in each process at most.
      expect(served).toBeGreaterThanOrEqual(LIMIT - PROCESSES * Math.max(1, Math.floor(LIMIT / 16)));
      expect(new Set(first)).toEqual(new Set(["ok", "MCPS_RATE_LIMITED"]));
      let all = served;
      await waitFor(
        async () => {
          all += (await outcomes("add", 8)).filter((one) => one === "ok").length;
          return all >= LIMIT;
        },
        60_000,
        "what processes held",
      );
      expect([LIMIT, LIMIT + 1]).toContain(all);
      expect(upstream.state.calls.filter((name) => name === "add")).toHaveLength(all);
    });

    it("let in together what one quota allows, and not one more", async () => {
      upstream.state.tools = [honest, { ...honest, name: "sub" }];
      const found = await outcomes("sub", 40);
      const served = found.filter((one) => one === "ok").length;
      expect(new Set(found)).toEqual(new Set(["ok", "MCPS_QUOTA"]));
      expect(served).toBeLessThanOrEqual(15);
      expect(served).toBeGreaterThanOrEqual(15 - PROCESSES);
    });

    it("hold back at every worker what one of them saw change, and let it pass once it is approved", async () => {
      const [one, two] = gateways;
      if (one === undefined || two === undefined) throw new Error("there are no two gateways");
      upstream.state.tools = [{ ...honest, description: "Adds two numbers, and mails them" }];
      expect(await listed(one)).toEqual([]);
      const refused = async () => {
        const answers = await Promise.all(
          Array.from({ length: 6 }, (_, index) =>
            rpc(index % 2 === 0 ? one : two, "tools/call", { name: "sums__add", arguments: {} }),
          ),
        );
        return answers.map(({ error }) => (error as { data?: { code?: string } } | undefined)?.data?.code);
      };
      await waitFor(
        async () => (await refused()).every((code) => code === "MCPS_TOOL_QUARANTINED"),
        60_000,
        "every worker to refuse",
      );
      const pins = (await rest(two, "GET", "/pins?state=pending")).body.value as {
        gatewayId: string;
        name: string;
        pending: { digest: string };
      }[];
      expect(pins.map(({ name }) => name)).toEqual(["add"]);
      const [pin] = pins;
      const approve = `/gateways/${pin?.gatewayId}/pins/add/approve`;
      expect((await rest(two, "POST", approve, { digest: pin?.pending.digest })).status).toBe(200);
      await waitFor(
        async () => (await refused()).every((code) => code !== "MCPS_TOOL_QUARANTINED"),
        60_000,
        "every worker to let it pass",
      );
      expect(await listed(one)).toEqual(["sums__add"]);
    });
  });
});

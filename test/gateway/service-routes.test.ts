/** What a gateway tells those who run it, from outside: a cache in front, a collector of metrics, whoever checks a deployment. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { descriptorLimit } from "../../cli/descriptors.ts";
import { settingsFingerprint } from "../../contract/setting-values.ts";
import { planForMachine } from "../../infra/this-machine.ts";
import { type Gateway, rest, send, startGateway } from "../harness/index.ts";
import { plans } from "../infra/topology/plans.ts";

const METRICS_TOKEN = "scraper-0123456789abcdef0123456789";
const ENV = { TOOL_TIMEOUT: "45", MAX_STREAMS: "7" };

let gateway: Gateway;
let open: Gateway;

beforeAll(async () => {
  const directory = mkdtempSync(join(tmpdir(), "service-routes-"));
  const token = join(directory, "token");
  const plan = join(directory, "plan.json");
  writeFileSync(plan, JSON.stringify(plans.dev));
  writeFileSync(token, `${METRICS_TOKEN}\n`, { mode: 0o600 });
  [gateway, open] = await Promise.all([
    startGateway({ deadlineMs: 150_000, env: { ...ENV, METRICS_TOKEN_FILE: token, PLAN_FILE: plan } }),
    startGateway({ deadlineMs: 150_000, env: { AUTH_REQUIRED: "false", PLAN_FILE: "/nonexistent/plan.json" } }),
  ]);
}, 180_000);
afterAll(async () => {
  await Promise.all([gateway?.stop(), open?.stop()]);
});

const get = (path: string, headers: Readonly<Record<string, string>> = gateway.headers, of = gateway) =>
  send("GET", of.url + path, headers);
const identity = async (headers?: Readonly<Record<string, string>>, of?: Gateway) =>
  (await get("/_auth", headers, of)).headers["x-cache-identity"];

describe("GET /_auth", () => {
  it("names the caller without a body, and nobody who may not call", async () => {
    const answer = await get("/_auth");
    expect([answer.status, answer.text, answer.headers["cache-control"]]).toEqual([204, "", "no-store"]);
    expect(answer.headers["x-cache-identity"]).toMatch(/^[\w-]{16}\.[\w-]{16}\.\d+-[\w-]{16}$/);
    for (const headers of [{}, { authorization: "Bearer nonsense" }]) {
      const refused = await get("/_auth", headers);
      expect([refused.status, refused.headers["x-cache-identity"]]).toEqual([401, undefined]);
    }
    const scraper = await get("/_auth", { authorization: `Bearer ${METRICS_TOKEN}` });
    expect([scraper.status, scraper.headers["x-cache-identity"]]).toEqual([403, undefined]);
    const foreign = await get("/_auth", { ...gateway.headers, host: "evil.example" });
    expect([foreign.status, foreign.headers["x-cache-identity"]]).toEqual([403, undefined]);
  });

  it("names the anonymous where nobody has to say who he is", async () => {
    const anonymous = await identity({}, open);
    expect(anonymous).toMatch(/^[\w-]{16}\.[\w-]{16}\.\d+-[\w-]{16}$/);
    expect(await identity(open.headers, open)).not.toBe(anonymous);
  });

  it("gives another identity after every change of the registry, and the same one in between", async () => {
    const seen: unknown[] = [await identity()];
    const changes: readonly [string, string, Record<string, unknown>?][] = [
      ["POST", "/resources", { uri: "text://one", name: "one", content: "1" }],
      ["PATCH", "/resources/{id}", { content: "2" }],
      ["POST", "/resources/{id}/state?activate=false"],
      ["DELETE", "/resources/{id}"],
    ];
    let id = "";
    for (const [method, path, body] of changes) {
      const answer = await rest(gateway, method, path.replace("{id}", id), body);
      expect([method, answer.status]).toEqual([method, method === "POST" && body !== undefined ? 201 : 200]);
      if (typeof answer.body.id === "string") id = answer.body.id;
      seen.push(await identity());
      expect(await identity()).toBe(seen.at(-1));
    }
    expect(new Set(seen).size).toBe(changes.length + 1);
    await get("/resources");
    expect(await identity()).toBe(seen.at(-1));
  });

  it("stands in no description of the interface", async () => {
    expect(Object.keys(Object((await get("/openapi.json")).json().paths))).not.toContain("/_auth");
  });
});

describe("marks for caches", () => {
  it.each([
    ["/tools", 200, "private, no-cache", "zone"],
    ["/v1/gateways?limit=1", 200, "private, no-cache", "zone"],
    ["/version", 200, "private, no-cache", "zone"],
    ["/openapi.json", 200, "public, max-age=60", "zone"],
    ["/metrics", 200, "no-store", undefined],
    ["/health", 200, "no-store", undefined],
    ["/ready", 200, "no-store", undefined],
    ["/tools/unknown", 404, undefined, undefined],
    ["/nothing", 404, undefined, undefined],
    ["/mcp", 406, undefined, undefined],
  ])("of GET %s", async (path, status, cacheControl, accel) => {
    const { headers, status: got } = await get(path);
    expect([got, headers["cache-control"], headers["x-accel-expires"]]).toEqual([status, cacheControl, accel]);
  });

  it("are not on streams, on what changes something, or on refusals", async () => {
    const refused = await get("/tools", {});
    expect([refused.status, refused.headers["x-accel-expires"]]).toEqual([401, undefined]);
    const made = await send(
      "POST",
      `${gateway.url}/resources`,
      { ...gateway.headers, "content-type": "application/json" },
      JSON.stringify({ uri: "text://two", name: "two", content: "2" }),
    );
    expect([made.status, made.headers["x-accel-expires"], made.headers["cache-control"]]).toEqual([
      201,
      undefined,
      "no-store",
    ]);
    const listed = await send(
      "POST",
      `${gateway.url}/rpc`,
      { ...gateway.headers, "content-type": "application/json", accept: "*/*" },
      JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
    );
    expect([listed.status, listed.headers["x-accel-expires"]]).toEqual([200, undefined]);
  });
});

describe("METRICS_TOKEN", () => {
  const scraper = { authorization: `Bearer ${METRICS_TOKEN}` };

  it("reads the metrics", async () => {
    const answer = await get("/metrics", scraper);
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    expect(answer.text).toContain("mcp_build_info{");
    expect((await get("/metrics", {})).status).toBe(401);
    expect((await get("/metrics", { authorization: `Bearer ${METRICS_TOKEN}x` })).status).toBe(401);
    expect((await get("/metrics", scraper, open)).status).toBe(401);
  });

  it("reads them by the replica's address, which no name of the gateway is; a page from elsewhere does not", async () => {
    const host = "10.244.1.5:4444";
    const status = async (headers: Readonly<Record<string, string>>, of = gateway) =>
      (await get("/metrics", { host, ...headers }, of)).status;
    expect([await status(scraper), await status({}), await status({}, open)]).toEqual([200, 403, 403]);
    expect(await status({ ...scraper, origin: "https://evil.example" })).toBe(403);
    expect((await get("/version", { ...gateway.headers, host })).status).toBe(403);
  });

  it.each(["/tools", "/version", "/openapi.json", "/gateways/x", "/mcp", "/sse", "/servers/x/mcp"])(
    "does not open %s",
    async (path) => {
      const { status, text } = await get(path, scraper);
      expect([status, JSON.parse(text).error.data]).toEqual([403, { code: "MCPS_FORBIDDEN" }]);
    },
  );

  it("calls nothing", async () => {
    for (const path of ["/mcp", "/rpc", "/tools"]) {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
      const answer = await send(
        "POST",
        gateway.url + path,
        { ...scraper, "content-type": "application/json", accept: "application/json, text/event-stream" },
        body,
      );
      expect([path, answer.status]).toEqual([path, 403]);
    }
  });
});

describe("the settings in force", () => {
  it("have the fingerprint that follows from the environment and from what stands behind it", async () => {
    // A first run takes limits from a plan of the machine.
    const nofile = descriptorLimit();
    const memoryMiB = Math.floor(totalmem() / 1024 / 1024);
    const planned = planForMachine({ cores: availableParallelism(), memoryMiB, nofile })?.settings;
    const fingerprintOf = (env: Readonly<Record<string, string>>) =>
      settingsFingerprint({ ...planned, MCP_EXAMPLE_SERVER: "false", ...env });
    const expected = fingerprintOf(ENV);
    expect((await get("/version")).json().settingsFingerprint).toBe(expected);
    expect((await get("/metrics")).text).toContain(`settings="${expected}"} 1\n`);
    const other = fingerprintOf({ AUTH_REQUIRED: "false" });
    expect((await get("/version", {}, open)).json().settingsFingerprint).toBe(other);
  });
});

describe("PLAN_FILE", () => {
  const planned = async (of: Gateway) =>
    (await get("/metrics", of.headers, of)).text.split("\n").filter((line) => line.startsWith("mcp_plan_"));

  it("stands beside the load, which is counted where it exceeds the plan", async () => {
    const { gateway: tier, mcp, database } = plans.dev;
    expect(await planned(gateway)).toEqual([
      `mcp_plan_limit{limit="replicas_max"} ${tier.replicas.max}`,
      `mcp_plan_limit{limit="pool_per_worker"} ${database.poolPerWorker}`,
      `mcp_plan_limit{limit="in_flight_per_worker"} ${tier.inFlightPerWorker}`,
      `mcp_plan_limit{limit="streams_per_worker"} ${mcp.streamsPerWorker}`,
      'mcp_plan_exceeded_total{limit="in_flight_per_worker"} 0',
      'mcp_plan_exceeded_total{limit="streams_per_worker"} 0',
    ]);
  });

  it("is missed with a warning, and nothing else", async () => {
    expect(await planned(open)).toEqual([]);
    const line = open
      .stderr()
      .split("\n")
      .find((text) => text.includes("/nonexistent/plan.json"));
    expect(JSON.parse(line ?? "{}")).toMatchObject({ level: "warn", setting: "PLAN_FILE" });
  });
});

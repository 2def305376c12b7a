/** A real Prometheus scrapes a real gateway and answers every question of its dashboard and rules. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { z } from "zod";
import { dashboardOf, ruleFileOf, type Watch } from "../../infra/observability/index.ts";
import { records } from "../../infra/observability/recording.ts";
import { freePort, type Gateway, type Running, run, send, startGateway, titled, waitFor } from "../harness/index.ts";
import { temporaryDirectory } from "../harness/ports.ts";
import { bare } from "../infra/observability/watches.ts";
import { plans } from "../infra/topology/plans.ts";

const isThere = spawnSync("prometheus", ["--version"]).status === 0;
const reason = isThere ? undefined : "not installed: prometheus";
/** It answers when it has started, which takes a second or two. */
const START_MS = 60_000;
const METRICS_TOKEN = "0123456789abcdef0123456789abcdef";
const watch: Watch = bare;
const plan = plans.dev;

const vector = z.object({
  status: z.literal("success"),
  data: z.object({
    resultType: z.literal("vector"),
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});
const rulesAnswer = z.object({
  data: z.object({
    groups: z.array(
      z.object({
        rules: z.array(
          z.object({
            name: z.string(),
            health: z.string(),
            state: z.string().optional(),
            lastError: z.string().optional(),
          }),
        ),
      }),
    ),
  }),
});

describe.skipIf(reason !== undefined)(titled("Prometheus beside a gateway", reason), () => {
  let gateway: Gateway;
  let prometheus: Running;
  let url: string;
  let removeDirectory: () => Promise<void>;

  async function get(path: string): Promise<unknown> {
    return JSON.parse((await send("GET", url + path, {})).text);
  }
  async function ask(expr: string) {
    return vector.parse(await get(`/api/v1/query?query=${encodeURIComponent(expr)}`)).data.result;
  }
  async function call(): Promise<void> {
    const params = { source_timezone: "America/New_York", target_timezone: "Asia/Tokyo", time: "14:30" };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "convert_time", params });
    const headers = { ...gateway.headers, "content-type": "application/json", accept: "*/*" };
    expect((await send("POST", `${gateway.url}/rpc`, headers, body)).status).toBe(200);
    expect((await send("GET", `${gateway.url}/nowhere`, gateway.headers)).status).toBe(404);
  }

  beforeAll(async () => {
    gateway = await startGateway({ env: { MCP_EXAMPLE_SERVER: "true", METRICS_TOKEN } });
    await call();
    const { path, remove } = await temporaryDirectory();
    removeDirectory = remove;
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    writeFileSync(join(path, "rules.yaml"), stringify(ruleFileOf(plan, watch)));
    writeFileSync(join(path, "token"), METRICS_TOKEN, { mode: 0o600 });
    const config = {
      global: { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" },
      rule_files: ["rules.yaml"],
      scrape_configs: [
        {
          job_name: watch.gateway.job,
          authorization: { credentials_file: "token" },
          static_configs: [{ targets: [new URL(gateway.url).host] }],
        },
      ],
    };
    writeFileSync(join(path, "prometheus.yaml"), stringify(config));
    prometheus = run(
      "prometheus",
      [
        "--config.file=prometheus.yaml",
        "--storage.tsdb.path=data",
        `--web.listen-address=127.0.0.1:${port}`,
        "--log.level=warn",
      ],
      { cwd: path },
    );
    await waitFor(async () => (await ask(`up{job="${watch.gateway.job}"} == 1`)).length === 1, START_MS, "a scrape");
    // Each group of rules has a moment of its own within the interval, and a rate needs two scrapes.
    const last = [records.upstreamFailures, "mcp:slow_requests:ratio_rate3d"];
    const isRecorded = async () => {
      await call();
      const counts = await Promise.all(last.map(async (name) => (await ask(`${name} >= 0`)).length));
      return counts.every((count) => count > 0);
    };
    await waitFor(isRecorded, START_MS, "recorded series");
  }, 3 * START_MS);
  afterAll(async () => {
    await prometheus?.stop();
    await gateway?.stop();
    await removeDirectory?.();
  });

  it("evaluates every rule, and none of its alerts is about a healthy gateway", async () => {
    const { groups } = rulesAnswer.parse(await get("/api/v1/rules")).data;
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBe(ruleFileOf(plan, watch).groups.flatMap((group) => group.rules).length);
    expect(rules.filter(({ health }) => health !== "ok")).toEqual([]);
    expect(rules.filter(({ state }) => state === "firing")).toEqual([]);
  });

  it("has an answer to every question of the dashboard but those about what has not happened", async () => {
    const silent: string[] = [];
    for (const panel of dashboardOf(plan, watch).panels) {
      if (panel.type === "row") continue;
      for (const { expr, legendFormat } of panel.targets)
        if ((await ask(expr)).length === 0) silent.push(`${panel.title}: ${legendFormat}`);
    }
    expect(silent).toEqual([
      "Refused by admission: {{class}}: {{reason}}",
      "Refused by admission: to {{upstream}}",
      "Streams: {{instance}}",
      "Plan exceeded: {{limit}}",
      "Failures of the shared state store: {{store}}",
      "Sessions opened, lost, requests repeated: {{upstream}} lost",
      "Sessions opened, lost, requests repeated: {{upstream}} repeated",
    ]);
  });

  it("counts calls by route class, and the calls that are being served", async () => {
    // The scrapes themselves are answered in the lane of probes, of which there is no rate.
    const routes = await waitFor(
      async () => {
        const found = await ask(records.rate);
        return found.length === 2 && found.map(({ metric }) => `${metric.route} ${metric.status}`);
      },
      START_MS,
      "two kinds of answers",
    );
    expect(routes.toSorted()).toEqual(["call 200", "control 404"]);
    const [idle] = await waitFor(
      async () => {
        const found = await ask(`${records.inFlight} == 0`);
        return found.length === 1 && found;
      },
      START_MS,
      "no call in flight",
    );
    expect(idle?.metric).toEqual({
      __name__: records.inFlight,
      instance: new URL(gateway.url).host,
      stack: watch.stack,
    });
  });
});

/** `mcp-stack load` as its users run it, against a gateway of its own process. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadReport } from "../../../cli/load/report.ts";
import { calibrationSchema } from "../../../contract/calibration.ts";
import { type Gateway, type Running, register, run, startGateway, waitFor } from "../../harness/index.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const directory = mkdtempSync(join(tmpdir(), "load-command-"));
const tokenFile = join(directory, "token");

function load(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  return run(process.execPath, [join(ROOT, "cli/mcp-stack.js"), "load", ...args], {
    cwd: directory,
    env: { PATH: process.env.PATH, ...env },
  });
}

async function ended(running: Running): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const code = await running.exited;
  return { code, stdout: running.stdout(), stderr: running.stderr() };
}

/** An upstream over HTTP and a gateway before it. */
async function startBoth() {
  const upstream = run(process.execPath, [join(ROOT, "cli/load/upstream.ts")]);
  const gateway = await startGateway();
  const { url } = JSON.parse(await upstream.firstLine(30_000)) as { url: string };
  await register(gateway, { name: "up", url });
  return { upstream, gateway };
}

/** tools/call requests that this gateway has served. */
async function callsOf(gateway: Gateway): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`, { headers: gateway.headers })).text();
  return Number(/^mcp_requests_total\{method="tools\/call",era="legacy",outcome="ok"\} (\d+)/m.exec(text)?.[1] ?? 0);
}

describe("mcp-stack load", () => {
  let both: Awaited<ReturnType<typeof startBoth>>;
  beforeAll(async () => {
    both = await startBoth();
    writeFileSync(tokenFile, `${both.gateway.token}\n`);
  });
  afterAll(async () => {
    await both.gateway.stop();
    await both.upstream.stop();
  });
  const target = () => ["--url", both.gateway.mcpUrl, "--token-file", tokenFile];

  it("reports as JSON, calibrates, and never shows the token", async () => {
    const file = join(directory, "calibration.json");
    const before = await callsOf(both.gateway);
    const more = ["--duration", "2s", "--json", "--calibration", file, "--pid", String(both.gateway.pid)];
    const { code, stdout, stderr } = await ended(load([...target(), ...more]));
    expect([code, stderr.split("\n").length]).toEqual([0, 2]);
    expect(stderr.startsWith(`${file} was written`)).toBe(true);
    const report: LoadReport = JSON.parse(stdout);
    expect(report).toMatchObject({
      outcome: "completed",
      url: both.gateway.mcpUrl,
      gateway: { version: "0.1.0", engine: "fastify" },
      tool: { name: "up__echo", arguments: { text: "load" } },
      sessions: 2,
      workers: { source: `/proc of ${both.gateway.pid}` },
      total: { failed: 0, cpu: { workers: { [`pid ${both.gateway.pid}`]: expect.any(Number) } } },
    });
    const served = (await callsOf(both.gateway)) - before;
    // The warm-up is served too, and is in no figure.
    expect(served).toBeGreaterThan(report.total.good);
    const calibration = calibrationSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    expect(calibration).toMatchObject({
      version: "0.1.0",
      engine: "fastify",
      load: {
        profile: "smoke",
        era: "legacy",
        mix: { "tools/call": 1 },
        requests: report.total.requests,
        errorShare: 0,
      },
      rpsPerWorker: report.steps[0]?.cpu?.requestsPerCpuSecond,
    });
    expect(stdout + stderr + readFileSync(file, "utf8")).not.toContain(both.gateway.token);
  });

  it("serves both eras and takes CPU and memory from /metrics where no process is named", async () => {
    const more = [
      "--duration",
      "1s",
      "--era",
      "mixed",
      "--mix",
      "tools/call=0.5,tools/list=0.5",
      "--rps",
      "50",
      "--json",
    ];
    const { code, stdout } = await ended(
      load(["--url", both.gateway.mcpUrl, ...more], { MCP_STACK_TOKEN: both.gateway.token }),
    );
    const report: LoadReport = JSON.parse(stdout);
    expect([code, report.total.failed, report.workers, report.steps[0]?.offeredRps]).toEqual([
      0,
      0,
      { source: "/metrics" },
      50,
    ]);
    expect(report.memory?.beforeMiB).toBeGreaterThan(20);
  });

  it("ends at Ctrl-C with a report", async () => {
    const before = await callsOf(both.gateway);
    const running = load([...target(), "--duration", "10m"]);
    await waitFor(async () => (await callsOf(both.gateway)) > before, 60_000, "the load");
    running.kill("SIGINT");
    const { code, stdout, stderr } = await ended(running);
    expect([code, stderr]).toEqual([130, ""]);
    expect(stdout).toMatch(
      /^Interrupted after \d+\.\d s of load\. (?:None of [\d,]+ requests failed|Nothing was answered)\.\n/,
    );
  });

  it.each([
    [[], "no token was given: --token-file or MCP_STACK_TOKEN"],
    [["--token", "nonsense"], "HTTP 401"],
    [["--tool", "up__ecko", "--token-file", tokenFile], 'there is no tool "up__ecko"; the nearest is up__echo'],
  ])("says why it cannot begin: %j", async (args, why) => {
    const { code, stdout, stderr } = await ended(load(["--url", both.gateway.mcpUrl, ...args]));
    expect([code, stdout, stderr.split("\n").length]).toEqual([1, "", 2]);
    expect(stderr).toContain(why);
  });

  it("is refused with every wrong option, exit code 2", async () => {
    const { code, stdout, stderr } = await ended(load(["--url", "http://example.com/mcp", "--rps", "x"]));
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toBe(
      [
        'mcp-stack: --rps is "x", it has to be a number from 0.1 to 100000',
        "  example.com is not loopback: a load test of another host is for its owner, who adds --i-own-this-host example.com",
        "mcp-stack --help shows the commands.",
        "",
      ].join("\n"),
    );
  });

  it("does not load for an hour to find that the calibration cannot be written", async () => {
    const file = join(directory, "nowhere", "calibration.json");
    const { code, stderr } = await ended(load([...target(), "--duration", "1h", "--calibration", file]));
    expect([code, stderr]).toEqual([
      2,
      `mcp-stack: --calibration cannot be written: ENOENT: no such file or directory, access '${join(directory, "nowhere")}'\nmcp-stack --help shows the commands.\n`,
    ]);
  });

  // The last one: afterwards there is no gateway.
  it("is at a clear end when the gateway dies, exit code 1", async () => {
    const before = await callsOf(both.gateway);
    const running = load([...target(), "--duration", "10m"]);
    await waitFor(async () => (await callsOf(both.gateway)) > before, 60_000, "the load");
    await both.gateway.kill("SIGKILL");
    const { code, stdout } = await ended(running);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^The gateway was gone after \d+\.\d s of load: socket ECONNREFUSED\. /);
    const again = await ended(load(target()));
    expect([again.code, again.stdout, again.stderr]).toEqual([
      1,
      "",
      `mcp-stack: nothing can be reached at ${both.gateway.url}: socket ECONNREFUSED\n`,
    ]);
  });
});

it("--serve starts a gateway, measures its start, and leaves nothing behind", async () => {
  const temporary = mkdtempSync(join(tmpdir(), "load-serve-"));
  const file = join(temporary, "calibration.json");
  const running = load(["--serve", "--duration", "1s", "--json", "--calibration", file], { TMPDIR: temporary });
  const { code, stdout } = await ended(running);
  const report: LoadReport = JSON.parse(stdout);
  expect([code, report.total.failed, report.tool?.name]).toEqual([0, 0, "load__echo"]);
  expect(report.coldStartS).toBeGreaterThan(0);
  expect(calibrationSchema.parse(JSON.parse(readFileSync(file, "utf8"))).coldStartS).toBe(report.coldStartS);
  expect(readdirSync(temporary)).toEqual(["calibration.json"]);
  const pid = /^\/proc of (\d+)$/.exec("source" in report.workers ? report.workers.source : "")?.[1];
  expect(existsSync(`/proc/${pid}`)).toBe(false);
}, 120_000);

/** A gateway of several workers: what happens to one of them costs no caller an answer, and nothing is left behind. */
import { rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  dataDirectory,
  descendants,
  type Gateway,
  type GatewayOptions,
  isRunning,
  openLegacySession,
  openStream,
  send,
  startGateway,
  waitFor,
} from "../harness/index.ts";

const PAUSE_MS = 10;
const CRASHES = 'mcp_worker_respawns_total{reason="crash"}';
const STUCK = 'mcp_worker_respawns_total{reason="stuck"}';
const RELOADS = 'mcp_worker_recycles_total{reason="reload"}';

type Line = { readonly event?: string; readonly worker?: string; readonly pid?: number; readonly reason?: string };

const KINDS = [
  ["fastify", {}],
  ["bounded", { RUNTIME_MODE: "st" }],
] as const;

// The cases of one gateway come in order: the last one ends it. What they count is counted from their beginning.
describe.each(KINDS)("workers of the %s engine", (engine, kind) => {
  let directory: Awaited<ReturnType<typeof dataDirectory>>;
  let gateway: Gateway;
  /** Where in its log the case begins: a gateway serves several. */
  let begins = 0;
  beforeAll(async () => {
    directory = await dataDirectory();
  });
  beforeEach(() => {
    begins = gateway?.stderr().length ?? 0;
  });
  afterAll(async () => {
    await directory.remove();
  });

  async function start(
    env: Readonly<Record<string, string>>,
    more: Pick<GatewayOptions, "process" | "args"> = {},
  ): Promise<void> {
    begins = 0;
    gateway = await startGateway({
      ...more,
      dataDir: directory.path,
      env: { HTTP_SERVER: engine, LOG_FORMAT: "json", DISABLE_ACCESS_LOG: "true", ...kind, ...env },
    });
  }

  const events = (from: number): Line[] =>
    gateway
      .stderr()
      .slice(from)
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  const happened = (event: string) => events(begins).filter((line) => line.event === event);
  const everReady = () => events(0).filter(({ event }) => event === "worker.ready");
  /** Those that run, the oldest first. */
  const workers = () => everReady().flatMap(({ pid }) => (pid !== undefined && isRunning(pid) ? [pid] : []));
  const soon = (event: string, count = 1) =>
    waitFor(() => happened(event).length >= count && happened(event), 60_000, event);
  const get = (path: string) => send("GET", gateway.url + path, gateway.headers);
  /** A counter by its name with its labels; 0 before it first counts. */
  async function counted(series: string): Promise<number> {
    const line = (await get("/metrics")).text.split("\n").find((one) => one.startsWith(`${series} `));
    return Number(line?.slice(series.length) ?? 0);
  }

  describe("of a gateway with two of them", () => {
    beforeAll(() => start({ WORKERS: "2" }));
    afterAll(() => gateway?.stop());

    it("share the port that the first one got, and both answer", async () => {
      expect(workers()).toHaveLength(2);
      const answering = new Set<unknown>();
      await waitFor(async () => {
        const answer = await get("/version");
        answering.add(Object(answer.json()).worker);
        return answering.size === 2;
      });
      expect(answering).toEqual(new Set(everReady().map(({ worker }) => worker)));
    });

    it("are replaced when one is killed, and the service goes on", async () => {
      const crashes = await counted(CRASHES);
      const [killed = -1] = workers();
      process.kill(killed, "SIGKILL");
      const [end] = await soon("worker.ended");
      expect(end).toMatchObject({ pid: killed, reason: "signal SIGKILL", failures: 1 });
      expect((await get("/health")).status).toBe(200);
      await soon("worker.ready");
      expect(workers()).toHaveLength(2);
      expect([await counted(CRASHES), await counted("mcp_workers")]).toEqual([crashes + 1, 2]);
    });

    it("are all replaced by SIGHUP, without losing a request", async () => {
      const [before, recycled] = [workers(), await counted(RELOADS)];
      const load = startLoad(gateway);
      process.kill(gateway.pid, "SIGHUP");
      await soon("reload.done");
      const { sent, failures } = await load.stop();
      expect([sent > 0, failures]).toEqual([true, []]);
      expect(workers()).toHaveLength(2);
      expect(before.filter(isRunning)).toEqual([]);
      expect(await counted(RELOADS)).toBe(recycled + 2);
    });

    it("drain on SIGTERM and leave nothing behind", async () => {
      const started = descendants(gateway.pid);
      expect(started.length).toBeGreaterThanOrEqual(4);
      process.kill(gateway.pid, "SIGTERM");
      expect(await gateway.exited).toBe(0);
      expect(started.filter(isRunning)).toEqual([]);
      expect(gateway.stderr().slice(begins)).not.toMatch(/worker\.ended|worker\.end_failed|could not be closed/);
    });
  });

  describe("of a gateway that waits three seconds for one that is silent", () => {
    beforeAll(() => start({ WORKERS: "2", WORKER_TIMEOUT: "3" }));
    afterAll(() => gateway?.stop());

    it("are replaced when one stands still, and what was handed to it is answered by another", async () => {
      const stuckBefore = await counted(STUCK);
      const [stopped = -1] = workers();
      process.kill(stopped, "SIGSTOP");
      // Round robin hands every other connection to the stopped one.
      const answers = await Promise.all(Array.from({ length: 4 }, () => get("/health")));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      const [stuck] = await soon("worker.stuck");
      expect(stuck).toMatchObject({ pid: stopped, reason: "its event loop has not turned for 3000 ms" });
      await soon("worker.ready");
      expect(isRunning(stopped)).toBe(false);
      expect(await counted(STUCK)).toBe(stuckBefore + 1);
    });

    it("are gone when the primary is killed", async () => {
      const started = descendants(gateway.pid);
      process.kill(gateway.pid, "SIGKILL");
      await waitFor(() => !started.some(isRunning), 60_000, "the end of what it started");
    });
  });

  describe("of a gateway with one of them", () => {
    const tokens = ["one", "two"].map((name) => name.padEnd(40, "-"));
    let file: string;
    beforeAll(async () => {
      file = join(directory.path, "metrics-token");
      await writeFile(file, tokens[0] ?? "", { mode: 0o600 });
      await start({
        WORKERS: "1",
        WORKER_MAX_REQUESTS: "1000000",
        METRICS_TOKEN_FILE: file,
        SSE_RETRY_TIMEOUT: "700ms",
      });
    });
    afterAll(() => gateway?.stop());

    it("end their streams with a hint to come back, and go to the new workers", async () => {
      const session = await openLegacySession(gateway.mcpUrl, gateway.headers, { version: "2025-06-18" });
      const streams = await Promise.all([
        openStream("GET", `${gateway.url}/sse`, gateway.headers),
        openStream("GET", gateway.mcpUrl, { ...session.headers, accept: "text/event-stream" }),
      ]);
      expect(streams.map((stream) => stream.retryMs())).toEqual([undefined, undefined]);
      process.kill(gateway.pid, "SIGHUP");
      await Promise.all(streams.map(({ ended }) => ended));
      expect(streams.map((stream) => stream.isComplete())).toEqual([true, true]);
      // Spread, so that they do not all return at once.
      expect(streams.map((stream) => Math.floor((stream.retryMs() ?? 0) / 700))).toEqual([1, 1]);
      await soon("reload.done");
      expect((await get("/version")).status).toBe(200);
    });

    it("get the files of secrets as they are at SIGHUP; what cannot be used leaves all as it is", async () => {
      const scrapes = () =>
        Promise.all(
          tokens.map(async (token) => {
            const headers = { authorization: `Bearer ${token}` };
            return (await send("GET", `${gateway.url}/metrics`, headers)).status;
          }),
        );
      expect(await scrapes()).toEqual([200, 401]);
      await writeFile(file, tokens[1] ?? "");
      process.kill(gateway.pid, "SIGHUP");
      await soon("reload.done");
      expect(await scrapes()).toEqual([401, 200]);
      await rm(file);
      process.kill(gateway.pid, "SIGHUP");
      const [refused] = await soon("reload.refused");
      expect(refused?.reason).toContain("METRICS_TOKEN_FILE");
      expect(await scrapes()).toEqual([401, 200]);
    });

    it("are given up when one ends again and again, with the reason and an exit code", async () => {
      for (let failures = 1; failures <= 5; failures++) {
        const [newest = -1] = await waitFor(() => workers().length > 0 && workers(), 60_000, "a worker that serves");
        process.kill(newest, "SIGKILL");
        await soon("worker.ended", failures);
      }
      expect(await gateway.exited).toBe(1);
      expect(gateway.stderr()).toContain("MCPS_WORKERS: The workers cannot be kept running: signal SIGKILL\n");
    });
  });

  describe("of a gateway each", () => {
    afterEach(() => gateway?.stop());

    it("end together when one does, without WORKER_RESPAWN", async () => {
      await start({ WORKERS: "2", WORKER_RESPAWN: "false" });
      const started = descendants(gateway.pid);
      process.kill(workers()[0] ?? -1, "SIGKILL");
      expect(await gateway.exited).toBe(1);
      expect(gateway.stderr()).toContain("MCPS_WORKERS: The workers cannot be kept running: signal SIGKILL\n");
      expect(started.filter(isRunning)).toEqual([]);
    });

    it("are replaced after so many requests without losing one, and counters never go back", async () => {
      await start({ WORKERS: "2", WORKER_MAX_REQUESTS: "200" });
      const load = startLoad(gateway);
      const totals: number[] = [];
      const total = async () => {
        const line = /^mcp_http_requests_total\{route="control",status="200"\} (\d+)$/m.exec(
          (await get("/metrics")).text,
        );
        totals.push(Number(line?.[1] ?? 0));
      };
      await waitFor(
        async () => {
          await total();
          return happened("worker.replaced").length >= 3;
        },
        60_000,
        "three workers replaced",
      );
      const { sent, failures } = await load.stop();
      expect(failures).toEqual([]);
      expect(sent).toBeGreaterThan(600);
      await total();
      expect(totals).toEqual(totals.toSorted((a, b) => a - b));
      // Every answer of a worker that left in good order is still counted.
      expect(totals.at(-1)).toBe(sent);
      expect(happened("worker.ended")).toEqual([]);
    });

    it("start as before when a reload's first one could not", async () => {
      const file = join(directory.path, "processes.json");
      const tell = (more: Readonly<Record<string, string>>) =>
        writeFile(
          file,
          JSON.stringify({ web: { BACKEND: engine, ARGS: { bind: "127.0.0.1:0", workers: "2", ...more } } }),
        );
      await tell({});
      await start({}, { process: "web", args: ["--processes", file] });
      const [first = -1] = workers();
      // Settings that can be read, and a certificate that is none.
      const certfile = join(directory.path, "half.pem");
      await writeFile(certfile, "-----BEGIN CERTIFICATE-----\n");
      await tell({ certfile, keyfile: certfile });
      process.kill(gateway.pid, "SIGHUP");
      const [refused] = await soon("reload.given_up");
      expect(refused?.reason).toContain("the next ones start with the old settings");
      process.kill(first, "SIGKILL");
      await soon("worker.ready", 3);
      expect(happened("worker.ended").map(({ pid }) => pid)).toEqual([first]);
      expect((await get("/health")).status).toBe(200);
    });
  });
});

/** Eight connections that are kept, each with a request every few ms; what is no 200 is a failure. */
function startLoad(gateway: Gateway): { stop(): Promise<{ sent: number; failures: string[] }> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const failures: string[] = [];
  let sent = 0;
  let isOver = false;
  const one = () =>
    new Promise<void>((resolve) => {
      const asked = request(`${gateway.url}/version`, { agent, headers: gateway.headers }, (response) => {
        if (response.statusCode !== 200) failures.push(`status ${response.statusCode}`);
        response.resume().on("end", resolve);
      });
      asked.on("error", (error) => {
        failures.push(error.message);
        resolve();
      });
      sent++;
      asked.end();
    });
  const lanes = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      await one();
      // A client that takes all the time there is would keep successors from starting.
      await pause(PAUSE_MS);
    }
  });
  return {
    async stop() {
      isOver = true;
      await Promise.all(lanes);
      agent.destroy();
      return { sent, failures };
    },
  };
}

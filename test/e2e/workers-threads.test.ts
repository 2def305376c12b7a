/** Event loops as threads of one process: they share the port, are replaced one by one, and are counted together. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { dataDirectory, descendants, type Gateway, isRunning, send, startGateway, waitFor } from "../harness/index.ts";

type Line = { readonly event?: string; readonly worker?: string; readonly pid?: number };

describe("threads of one process", () => {
  let directory: Awaited<ReturnType<typeof dataDirectory>>;
  let gateway: Gateway;
  beforeAll(async () => {
    directory = await dataDirectory();
  });
  afterEach(async () => {
    await gateway?.stop();
  });
  afterAll(async () => {
    await directory.remove();
  });

  async function start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    gateway = await startGateway({
      dataDir: directory.path,
      env: {
        HTTP_SERVER: "bounded",
        RUNTIME_MODE: "mt",
        RUNTIME_THREADS: "2",
        LOG_FORMAT: "json",
        DISABLE_ACCESS_LOG: "true",
        ...env,
      },
    });
  }
  const happened = (event: string): Line[] =>
    gateway
      .stderr()
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line))
      .filter((line: Line) => line.event === event);
  const get = (path: string) => send("GET", gateway.url + path, gateway.headers);

  it("answer on one port, each by itself, and are counted together", async () => {
    await start();
    const threads = happened("worker.ready").flatMap(({ pid, worker }) => (pid === undefined ? [worker] : []));
    expect(threads).toHaveLength(2);
    const answering = new Set<unknown>();
    let sent = 0;
    await waitFor(async () => {
      answering.add(Object((await get("/version")).json()).worker);
      sent++;
      return answering.size === 2;
    }, 60_000);
    expect(answering).toEqual(new Set(threads));
    const metrics = (await get("/metrics")).text;
    expect(metrics).toContain(`mcp_http_requests_total{route="control",status="200"} ${sent}\n`);
    expect(metrics).toContain("\nmcp_workers 2\n");
    // The primary, its one worker, the database, the stdio host: threads are no processes.
    expect(descendants(gateway.pid)).toHaveLength(3);
  });

  it("are replaced one by one after so many requests", async () => {
    await start({ WORKER_MAX_REQUESTS: "20" });
    await waitFor(
      async () => {
        // On connections that are kept: what waits in the queue of a thread that closes its listener is reset by the kernel.
        const { status } = await fetch(`${gateway.url}/version`, { headers: gateway.headers });
        expect(status).toBe(200);
        return happened("worker.replaced").length >= 2;
      },
      120_000,
      "both threads replaced",
    );
    expect((await get("/metrics")).text).toMatch(/^mcp_worker_recycles_total\{reason="requests"\} [2-9]/m);
  });

  it("drain together, and end with their process", async () => {
    await start();
    const started = descendants(gateway.pid);
    process.kill(gateway.pid, "SIGTERM");
    expect(await gateway.exited).toBe(0);
    expect(started.filter(isRunning)).toEqual([]);
    expect(gateway.stderr()).not.toMatch(/worker\.ended|worker\.end_failed|could not be closed/);
  });
});

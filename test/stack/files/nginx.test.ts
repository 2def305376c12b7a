/** A real nginx with the rendered file says the plan's limits, and lets through what it only passes on. */
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:https";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { renderNginx } from "../../../infra/topology/index.ts";
import { descendants, makeCertificates, missing, openStream, send, titled, waitFor } from "../../harness/index.ts";
import { planNames, plans } from "../../infra/topology/plans.ts";
import { cacheStatus, useNginx } from "./nginx-site.ts";
import { attempt, descriptorLimit } from "./running.ts";

const reason = missing("nginx");
const BROTLI = "/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so";

describe.skipIf(reason !== undefined)(titled("nginx", reason), () => {
  const { site, origin, placed, serve, get } = useNginx();

  describe.each(planNames)("the plan %s", (name) => {
    const plan = plans[name];
    it("is accepted without a word of warning", async () => {
      const file = await site().write("nginx.conf", renderNginx(plan, await placed()));
      const { text } = attempt("nginx", ["-e", "stderr", "-t", "-c", file], site());
      expect(text.split("\n")).toEqual([
        `nginx: the configuration file ${file} syntax is ok`,
        `nginx: configuration file ${file} test is successful`,
        "",
      ]);
    });

    it("is what runs: so many workers, each with so many descriptors", async () => {
      const { place, nginx } = await serve(plan);
      const workers = await waitFor(() => {
        const all = descendants(nginx.pid).filter((pid) => titleOf(pid).startsWith("nginx: worker process"));
        return all.length === plan.nginx.workerProcesses && all;
      });
      expect(workers.map(descriptorLimit)).toEqual(workers.map(() => plan.nginx.nofile));
      expect((await get("/health")).status).toBe(200);
      const counters = await send("GET", `http://127.0.0.1:${place.status?.port}/stub_status`, {});
      expect(counters.text).toMatch(/^Active connections: \d+/);
      expect(nginx.stderr()).toBe("");
    });
  });

  it("has so many connections and says so when they are all taken", async () => {
    const { place, nginx } = await serve({ ...plans.dev, nginx: { ...plans.dev.nginx, workerConnections: 23 } });
    const sockets = Array.from({ length: 30 }, () =>
      connect(place.listen[0]?.port ?? 0, "127.0.0.1").on("error", () => undefined),
    );
    await waitFor(() => nginx.stderr().includes("23 worker_connections are not enough"));
    for (const socket of sockets) socket.destroy();
  });

  it.for([
    ["localhost", 200],
    ["gateway.internal", 502],
  ] as const)("believes a gateway over TLS by its authority and the name %s: %i", async ([name, status]) => {
    const certificates = await makeCertificates();
    const [cert, key] = [readFileSync(certificates.certificate), readFileSync(certificates.key)];
    const gateway = createServer({ cert, key }, (_, response) => response.end("over TLS"));
    await new Promise<void>((resolve) => gateway.listen(0, "127.0.0.1", resolve));
    const address = gateway.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    try {
      const authorityPath = await site().write("authority.pem", readFileSync(certificates.authority, "utf8"));
      const { url } = await serve(plans.dev, {
        gateways: [{ host: "127.0.0.1", port }],
        gatewayTls: { authorityPath, name },
      });
      const answer = await send("GET", `${url}/version`, {});
      expect([answer.status, answer.text === "over TLS"]).toEqual([status, status === 200]);
    } finally {
      gateway.closeAllConnections();
      gateway.close();
      await certificates.remove();
    }
  });

  it("passes events on as they come", async () => {
    const { url } = await serve(plans.dev);
    for (const path of ["/sse", "/servers/a/sse", "/servers/a/sse/"]) {
      const stream = await openStream("GET", `${url}${path}`, { accept: "text/event-stream" });
      // The second event is not written before the first has arrived.
      await waitFor(() => stream.events.length === 1);
      origin().release();
      await stream.ended;
      expect(stream.events.map(({ data }) => data)).toEqual(["first", "second"]);
      expect(cacheStatus(stream)).toBeUndefined();
    }
  });

  it("passes WebSockets on", async () => {
    const { url } = await serve(plans.dev);
    const socket = new WebSocket(`${url.replace("http", "ws")}/servers/a/ws`);
    const answer = await new Promise<string>((resolve, reject) => {
      socket
        .once("error", reject)
        .once("open", () => socket.send("hello"))
        .once("message", (data) => resolve(String(data)));
    });
    socket.close();
    expect(answer).toBe("hello");
  });

  it("believes a proxy's word only from where proxies are", async () => {
    const claims = { "x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https", host: "mcp.example.com" };
    await serve(plans.dev);
    await get("/health", "alice.1", claims);
    const { "x-forwarded-for": client, "x-forwarded-proto": proto, host } = origin().lastHeaders();
    expect([client, proto, host]).toEqual(["127.0.0.1", "http", "mcp.example.com"]);
  });

  it("believes it from there", async () => {
    await serve(plans.dev, { trustedProxies: ["127.0.0.0/8"] });
    const claims = { "x-forwarded-for": "203.0.113.9, 198.51.100.7", "x-forwarded-proto": "https" };
    await get("/health", "alice.1", claims);
    const { "x-forwarded-for": client, "x-forwarded-proto": proto } = origin().lastHeaders();
    expect([client, proto]).toEqual(["198.51.100.7", "https"]);
  });

  it("limits a client by its requests", async () => {
    await serve(plans.dev, { limits: { requestsPerSecond: 1, burst: 1, connections: 1000 } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => get("/rpc")));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200, 429]));
  });

  it("limits a client by its open streams", async () => {
    const { url } = await serve(plans.dev, { limits: { requestsPerSecond: 1000, burst: 1000, connections: 2 } });
    const open = () => openStream("GET", `${url}/sse`, { accept: "text/event-stream" });
    const streams = [await open(), await open(), await open()];
    expect(streams.map((stream) => stream.status)).toEqual([200, 200, 429]);
    for (const stream of streams) stream.close();
  });

  it.skipIf(!existsSync(BROTLI))(
    `compresses with brotli where the image has its module${existsSync(BROTLI) ? "" : ` (no ${BROTLI})`}`,
    async () => {
      await serve(plans.dev, { compressors: { brotli: BROTLI, zstd: null } });
      const encoding = async (path: string, accepted: string) =>
        (await get(path, "alice.1", { "accept-encoding": accepted })).headers["content-encoding"];
      expect(await Promise.all(["br, gzip", "gzip", "identity"].map((one) => encoding("/rpc", one)))).toEqual([
        "br",
        "gzip",
        undefined,
      ]);
      // One stored answer serves every encoding: what is stored is plain.
      expect(await encoding("/tools", "br")).toBe("br");
      const kept = await get("/tools", "alice.1", { "accept-encoding": "gzip" });
      expect([cacheStatus(kept), kept.headers["content-encoding"]]).toEqual(["HIT", "gzip"]);
    },
  );

  it("compresses, and asks the gateway not to", async () => {
    await serve(plans.dev);
    const encodings = async (path: string) =>
      (await get(path, "alice.1", { "accept-encoding": "gzip" })).headers["content-encoding"];
    expect([await encodings("/tools"), await encodings("/rpc")]).toEqual(["gzip", "gzip"]);
    expect(origin().lastHeaders()["accept-encoding"]).toBeUndefined();
  });

  it("refuses a body beyond the limit", async () => {
    const { url } = await serve(plans.dev, { maxBodyBytes: 1000 });
    const post = (bytes: number) => send("POST", `${url}/rpc`, {}, "x".repeat(bytes));
    expect([(await post(1000)).status, (await post(1001)).status]).toEqual([200, 413]);
  });
});

function titleOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
}

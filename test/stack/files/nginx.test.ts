/** A real nginx with the rendered file: it says the plan's limits, caches what it may for whom it may, and lets everything else through. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Plan } from "../../../contract/plan.ts";
import { type NginxPlace, renderCredentialScript, renderNginx } from "../../../infra/topology/index.ts";
import {
  type Answer,
  descendants,
  freePort,
  missing,
  openStream,
  type Running,
  send,
  titled,
  waitFor,
} from "../../harness/index.ts";
import { planNames, plans } from "../../infra/topology/plans.ts";
import { type Origin, startOrigin } from "./origin.ts";
import { attempt, descriptorLimit, end, JS_MODULE, makeSite, missingJsModule, type Site, start } from "./running.ts";

const reason = missing("nginx");
const noDigest = reason ?? missingJsModule();

describe.skipIf(reason !== undefined)(titled("nginx", reason), () => {
  let site: Site;
  let origin: Origin;
  let nginx: Running | undefined;
  let url: string;
  beforeEach(async () => {
    site = await makeSite();
    origin = await startOrigin();
  });
  afterEach(async () => {
    await end(nginx, "SIGTERM");
    nginx = undefined;
    await origin.close();
    await site.remove();
  });

  async function placed(changes: Partial<NginxPlace> = {}): Promise<NginxPlace> {
    const version = /nginx\/([\d.]+)/.exec(attempt("nginx", ["-v"], site).text)?.[1] ?? "";
    const port = await freePort();
    let statusPort = port;
    while (statusPort === port) statusPort = await freePort();
    return {
      version,
      listen: [{ address: "127.0.0.1", port }],
      status: { address: "127.0.0.1", port: statusPort },
      gateway: { host: "127.0.0.1", port: origin.port },
      resolvers: [],
      trustedProxies: [],
      directories: { cache: await site.makeDirectory("cache"), temporary: await site.makeDirectory("temporary") },
      pidFile: join(site.path, "nginx.pid"),
      accessLog: null,
      limits: { requestsPerSecond: 10_000, burst: 1000, connections: 1000 },
      maxBodyBytes: 1_048_576,
      isCompressing: true,
      credentialDigest: null,
      ...changes,
    };
  }

  async function serve(plan: Plan, changes: Partial<NginxPlace> = {}): Promise<NginxPlace> {
    const place = await placed(changes);
    const file = await site.write("nginx.conf", renderNginx(plan, place));
    url = `http://127.0.0.1:${place.listen[0]?.port}`;
    const alive = `http://127.0.0.1:${place.status?.port}/alive`;
    const isUp = async () => (await send("GET", alive, {})).status === 204;
    nginx = await start({ program: "nginx", args: ["-e", "stderr", "-c", file], site, isUp });
    return place;
  }

  const get = (path: string, who = "alice.1", headers = {}) =>
    send("GET", `${url}${path}`, { authorization: `Bearer ${who}`, ...headers });
  const status = ({ headers }: Answer) => headers["x-cache-status"];

  describe.each(planNames)("the plan %s", (name) => {
    const plan = plans[name];
    it("is accepted without a word of warning", async () => {
      const file = await site.write("nginx.conf", renderNginx(plan, await placed()));
      const { text } = attempt("nginx", ["-e", "stderr", "-t", "-c", file], site);
      expect(text.split("\n")).toEqual([
        `nginx: the configuration file ${file} syntax is ok`,
        `nginx: configuration file ${file} test is successful`,
        "",
      ]);
    });

    it("is what runs: so many workers, each with so many descriptors", async () => {
      const place = await serve(plan);
      const workers = await waitFor(() => {
        const all = descendants(nginx?.pid ?? 0).filter((pid) => titleOf(pid).startsWith("nginx: worker process"));
        return all.length === plan.nginx.workerProcesses && all;
      });
      expect(workers.map(descriptorLimit)).toEqual(workers.map(() => plan.nginx.nofile));
      expect((await get("/health")).status).toBe(200);
      const counters = await send("GET", `http://127.0.0.1:${place.status?.port}/stub_status`, {});
      expect(counters.text).toMatch(/^Active connections: \d+/);
      expect(nginx?.stderr()).toBe("");
    });
  });

  it("has so many connections and says so when they are all taken", async () => {
    const place = await serve({ ...plans.dev, nginx: { ...plans.dev.nginx, workerConnections: 23 } });
    const sockets = Array.from({ length: 30 }, () =>
      connect(place.listen[0]?.port ?? 0, "127.0.0.1").on("error", () => undefined),
    );
    await waitFor(() => nginx?.stderr().includes("23 worker_connections are not enough"));
    for (const socket of sockets) socket.destroy();
  });

  it("answers from the cache for the same principal only, and asks again after a change of the catalogue", async () => {
    await serve(plans.dev);
    const first = await get("/tools", "alice.1");
    expect([first.status, status(first), first.json().time]).toEqual([200, "MISS", 1]);
    const other = await get("/tools", "alice.2");
    expect([status(other), other.json().time, other.json().by]).toEqual(["HIT", 1, "Bearer alice.1"]);
    const bob = await get("/tools", "bob.1");
    expect([status(bob), bob.json().time]).toEqual(["MISS", 2]);
    expect([status(await get("/tools?page=2")), status(await get("/v1/tools"))]).toEqual(["MISS", "MISS"]);
    origin.setVersion(2);
    expect([status(await get("/tools", "alice.1")), status(await get("/tools", "alice.1"))]).toEqual(["MISS", "HIT"]);
    expect(first.headers["x-cache-identity"]).toBeUndefined();
    expect(first.headers["x-accel-expires"]).toBeUndefined();
  });

  it("asks who is asking for every cached answer; whom the check refuses or cannot tell, the gateway answers itself", async () => {
    await serve(plans.dev);
    await get("/tools");
    for (const time of [2, 3]) {
      const refused = await get("/tools", "");
      expect([refused.status, status(refused), refused.json()]).toEqual([401, undefined, { code: "from the gateway" }]);
      const broken = await get("/tools", "broken.1");
      expect([broken.status, status(broken), broken.json().by]).toEqual([200, undefined, "Bearer broken.1"]);
      expect(origin.asked.get("GET /_auth")).toBe(2 * time - 1);
    }
    expect((await send("GET", `${url}/_auth`, {})).status).toBe(404);
    expect(origin.asked.get("GET /_auth")).toBe(5);
  });

  it("keeps nothing that is not marked, marked 0, for another origin, or for somebody without an identity", async () => {
    await serve(plans.dev);
    for (const [path, who, headers] of [
      ["/resources", "alice.1", {}],
      ["/servers", "alice.1", {}],
      ["/tools", "nameless.1", {}],
      ["/tools", "carol.1", { origin: "https://example.com" }],
    ] as const)
      for (const time of ["first", "second"])
        expect([time, path, status(await get(path, who, headers))], who).toEqual([
          time,
          path,
          who === "alice.1" ? "MISS" : "BYPASS",
        ]);
  });

  it.each(["/static/a.css", "/openapi.json", "/admin/"])("keeps %s, each in its zone", async (path) => {
    const place = await serve(plans.dev);
    expect([status(await get(path)), status(await get(path))]).toEqual(["MISS", "HIT"]);
    const zone = { "/static/a.css": "static", "/openapi.json": "schema", "/admin/": "admin" }[path] ?? "";
    expect(filesBelow(join(place.directories.cache, zone))).toHaveLength(1);
  });

  it("never keeps what changes something, speaks MCP or tells how the gateway is", async () => {
    const place = await serve(plans.dev);
    for (const method of ["POST", "PUT", "PATCH", "DELETE"])
      for (const path of ["/tools", "/mcp", "/rpc", "/"])
        for (const time of [1, 2]) {
          const answer = await send(method, `${url}${path}`, { authorization: "Bearer alice.1" }, "{}");
          expect([answer.json().line, answer.json().time, status(answer)]).toEqual([
            `${method} ${path}`,
            time,
            undefined,
          ]);
        }
    for (const path of ["/mcp", "/health", "/ready", "/metrics", "/", "/servers/a/mcp", "/gateways/a/mcp"])
      for (const time of [1, 2]) {
        const answer = await get(path);
        expect([path, answer.json().time, status(answer)]).toEqual([path, time, undefined]);
      }
    expect(origin.asked.get("GET /_auth")).toBeUndefined();
    expect(filesBelow(place.directories.cache)).toEqual([]);
  });

  it("gives a stale answer at once while one request asks anew", async () => {
    await serve(plans.dev);
    expect([status(await get("/prompts")), status(await get("/prompts"))]).toEqual(["MISS", "HIT"]);
    const stale = await waitFor(async () => {
      const answer = await get("/prompts");
      return status(answer) !== "HIT" && answer;
    });
    expect([status(stale), stale.json().time]).toEqual(["STALE", 1]);
    expect(await waitFor(async () => (await get("/prompts")).json().time === 2)).toBe(true);
  });

  it("passes events on as they come", async () => {
    await serve(plans.dev);
    for (const path of ["/sse", "/servers/a/sse", "/servers/a/sse/"]) {
      const stream = await openStream("GET", `${url}${path}`, { accept: "text/event-stream" });
      // The second event is not written before the first has arrived.
      await waitFor(() => stream.events.length === 1);
      origin.release();
      await stream.ended;
      expect(stream.events.map(({ data }) => data)).toEqual(["first", "second"]);
      expect(status({ headers: stream.headers } as Answer)).toBeUndefined();
    }
  });

  it("passes WebSockets on", async () => {
    await serve(plans.dev);
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
    const { "x-forwarded-for": client, "x-forwarded-proto": proto, host } = origin.lastHeaders();
    expect([client, proto, host]).toEqual(["127.0.0.1", "http", "mcp.example.com"]);
  });

  it("believes it from there", async () => {
    await serve(plans.dev, { trustedProxies: ["127.0.0.0/8"] });
    const claims = { "x-forwarded-for": "203.0.113.9, 198.51.100.7", "x-forwarded-proto": "https" };
    await get("/health", "alice.1", claims);
    const { "x-forwarded-for": client, "x-forwarded-proto": proto } = origin.lastHeaders();
    expect([client, proto]).toEqual(["198.51.100.7", "https"]);
  });

  it("limits a client by its requests", async () => {
    await serve(plans.dev, { limits: { requestsPerSecond: 1, burst: 1, connections: 1000 } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => get("/rpc")));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200, 429]));
  });

  it("limits a client by its open streams", async () => {
    await serve(plans.dev, { limits: { requestsPerSecond: 1000, burst: 1000, connections: 2 } });
    const open = () => openStream("GET", `${url}/sse`, { accept: "text/event-stream" });
    const streams = [await open(), await open(), await open()];
    expect(streams.map((stream) => stream.status)).toEqual([200, 200, 429]);
    for (const stream of streams) stream.close();
  });

  it("compresses, and asks the gateway not to", async () => {
    await serve(plans.dev);
    const encodings = async (path: string) =>
      (await get(path, "alice.1", { "accept-encoding": "gzip" })).headers["content-encoding"];
    expect([await encodings("/tools"), await encodings("/rpc")]).toEqual(["gzip", "gzip"]);
    expect(origin.lastHeaders()["accept-encoding"]).toBeUndefined();
  });

  it("leaves compression to another layer where it is told so", async () => {
    await serve(plans.dev, { isCompressing: false });
    expect(
      (await get("/tools", "alice.1", { "accept-encoding": "br, gzip" })).headers["content-encoding"],
    ).toBeUndefined();
    expect(origin.lastHeaders()["accept-encoding"]).toBe("br");
    expect(status(await get("/tools", "alice.1", { "accept-encoding": "gzip" }))).toBe("MISS");
    expect(status(await get("/tools", "alice.1", { "accept-encoding": "gzip, deflate" }))).toBe("HIT");
  });

  it("refuses a body beyond the limit", async () => {
    await serve(plans.dev, { maxBodyBytes: 1000 });
    const post = (bytes: number) => send("POST", `${url}/rpc`, {}, "x".repeat(bytes));
    expect([(await post(1000)).status, (await post(1001)).status]).toEqual([200, 413]);
  });

  it.skipIf(noDigest !== undefined)(
    titled("keeps who is asking for a moment, under a digest of the credential", noDigest),
    async () => {
      const scriptPath = await site.write("credential.js", renderCredentialScript());
      const place = await serve(plans.dev, { credentialDigest: { modulePath: JS_MODULE, scriptPath } });
      for (const [who, cached, checks] of [
        ["alice.secret1", "MISS", 1],
        ["alice.secret1", "HIT", 1],
        ["alice.secret2", "HIT", 2],
        ["bob.secret1", "MISS", 3],
        ["nobody", undefined, 4],
        ["nobody", undefined, 5],
      ] as const) {
        const answer = await get("/tools", who);
        expect([who, status(answer), origin.asked.get("GET /_auth")]).toEqual([who, cached, checks]);
      }
      const kept = filesBelow(place.directories.cache);
      // Two answers; three identities, for the refused one is not kept.
      expect(kept).toHaveLength(5);
      const keys = kept.map((file) => /^KEY: (.*)$/m.exec(file)?.[1] ?? "").sort();
      const host = `127.0.0.1:${place.listen[0]?.port}`;
      const digest = (who: string) =>
        createHash("sha256")
          .update(JSON.stringify([`Bearer ${who}`, ""]))
          .digest("hex");
      expect(keys).toEqual(
        [
          ...["alice.secret1", "alice.secret2", "bob.secret1"].map((who) => `${host} ${digest(who)}`),
          ...["alice", "bob"].map((who) => `GET http ${host} /tools ${who}.read.1`),
        ].sort(),
      );
      expect(
        await waitFor(
          async () => (await get("/tools", "alice.secret1")) && origin.asked.get("GET /_auth") === 6,
          15_000,
        ),
      ).toBe(true);
    },
  );
});

function titleOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
}

/** Contents of the files below a directory. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
}

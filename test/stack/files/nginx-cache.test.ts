/** A real nginx with the rendered file keeps what it may for whom it may, and nothing else. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { renderCredentialScript } from "../../../infra/topology/index.ts";
import { missing, send, titled, waitFor } from "../../harness/index.ts";
import { plans } from "../../infra/topology/plans.ts";
import { cacheStatus, useNginx } from "./nginx-site.ts";
import { JS_MODULE, missingJsModule } from "./running.ts";

const reason = missing("nginx");
const noDigest = reason ?? missingJsModule();

describe.skipIf(reason !== undefined)(titled("caches of nginx", reason), () => {
  const { site, origin, serve, get } = useNginx();
  const keeping = (identityTtlS: number) => ({ ...plans.dev, nginx: { ...plans.dev.nginx, identityTtlS } });

  it("answers from the cache for the same principal only, and asks again after a change of the catalogue", async () => {
    await serve(plans.dev);
    const first = await get("/tools", "alice.1");
    expect([first.status, cacheStatus(first), first.json().time]).toEqual([200, "MISS", 1]);
    const other = await get("/tools", "alice.2");
    expect([cacheStatus(other), other.json().time, other.json().by]).toEqual(["HIT", 1, "Bearer alice.1"]);
    const bob = await get("/tools", "bob.1");
    expect([cacheStatus(bob), bob.json().time]).toEqual(["MISS", 2]);
    expect([cacheStatus(await get("/tools?page=2")), cacheStatus(await get("/v1/tools"))]).toEqual(["MISS", "MISS"]);
    origin().setVersion(2);
    expect([cacheStatus(await get("/tools", "alice.1")), cacheStatus(await get("/tools", "alice.1"))]).toEqual([
      "MISS",
      "HIT",
    ]);
    expect(first.headers["x-cache-identity"]).toBeUndefined();
    expect(first.headers["x-accel-expires"]).toBeUndefined();
  });

  it("asks who is asking for every cached answer; whom the check refuses or cannot tell, the gateway answers itself", async () => {
    const { url } = await serve(plans.dev);
    await get("/tools");
    for (const time of [2, 3]) {
      const refused = await get("/tools", "");
      expect([refused.status, cacheStatus(refused), refused.json()]).toEqual([
        401,
        undefined,
        { code: "from the gateway" },
      ]);
      const broken = await get("/tools", "broken.1");
      expect([broken.status, cacheStatus(broken), broken.json().by]).toEqual([200, undefined, "Bearer broken.1"]);
      expect(origin().asked.get("GET /_auth")).toBe(2 * time - 1);
    }
    for (const path of ["/_auth", "/_auth/"]) expect((await send("GET", url + path, {})).status).toBe(404);
    expect(origin().asked.get("GET /_auth")).toBe(5);
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
        expect([time, path, cacheStatus(await get(path, who, headers))], who).toEqual([
          time,
          path,
          who === "alice.1" ? "MISS" : "BYPASS",
        ]);
  });

  it.each(["/static/a.css", "/openapi.json", "/admin/"])("keeps %s, each in its zone", async (path) => {
    const { place } = await serve(plans.dev);
    expect([cacheStatus(await get(path)), cacheStatus(await get(path))]).toEqual(["MISS", "HIT"]);
    const zone = { "/static/a.css": "static", "/openapi.json": "schema", "/admin/": "admin" }[path] ?? "";
    expect(filesBelow(join(place.directories.cache, zone))).toHaveLength(1);
  });

  it("never keeps what changes something, speaks MCP or tells how the gateway is", async () => {
    const { place, url } = await serve(plans.dev);
    for (const method of ["POST", "PUT", "PATCH", "DELETE"])
      for (const path of ["/tools", "/mcp", "/rpc", "/"])
        for (const time of [1, 2]) {
          const answer = await send(
            method,
            `${url}${path}`,
            { authorization: "Bearer alice.1", "content-length": "2" },
            "{}",
          );
          const { line, time: nth, body } = answer.json();
          expect([line, nth, body, cacheStatus(answer)]).toEqual([`${method} ${path}`, time, "{}", undefined]);
        }
    for (const path of ["/mcp", "/health", "/ready", "/metrics", "/", "/servers/a/mcp", "/gateways/a/mcp"])
      for (const time of [1, 2]) {
        const answer = await get(path);
        expect([path, answer.json().time, cacheStatus(answer)]).toEqual([path, time, undefined]);
      }
    expect(origin().asked.get("GET /_auth")).toBeUndefined();
    expect(filesBelow(place.directories.cache)).toEqual([]);
  });

  it("gives a stale answer at once while one request asks anew", async () => {
    await serve(plans.dev);
    expect(cacheStatus(await get("/prompts"))).toBe("MISS");
    const stale = await waitFor(async () => {
      const answer = await get("/prompts");
      return cacheStatus(answer) !== "HIT" && answer;
    });
    expect([cacheStatus(stale), stale.json().time]).toEqual(["STALE", 1]);
    expect(await waitFor(async () => (await get("/prompts")).json().time === 2)).toBe(true);
  });

  it("leaves compression to another layer where it is told so", async () => {
    await serve(plans.dev, { isCompressing: false });
    expect(
      (await get("/tools", "alice.1", { "accept-encoding": "br, gzip" })).headers["content-encoding"],
    ).toBeUndefined();
    expect(origin().lastHeaders()["accept-encoding"]).toBe("br");
    expect(cacheStatus(await get("/tools", "alice.1", { "accept-encoding": "gzip" }))).toBe("MISS");
    expect(cacheStatus(await get("/tools", "alice.1", { "accept-encoding": "gzip, deflate" }))).toBe("HIT");
  });

  it.skipIf(noDigest !== undefined)(
    titled("keeps who is asking for a moment, under a digest of the credential", noDigest),
    async () => {
      const scriptPath = await site().write("credential.js", renderCredentialScript());
      const { place } = await serve(keeping(60), { credentialDigest: { modulePath: JS_MODULE, scriptPath } });
      for (const [who, cached, checks] of [
        ["alice.secret1", "MISS", 1],
        ["alice.secret1", "HIT", 1],
        ["alice.secret2", "HIT", 2],
        ["bob.secret1", "MISS", 3],
        ["nobody", undefined, 4],
        ["nobody", undefined, 5],
      ] as const) {
        const answer = await get("/tools", who);
        expect([who, cacheStatus(answer), origin().asked.get("GET /_auth")]).toEqual([who, cached, checks]);
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
          ...["alice.secret1", "alice.secret2", "bob.secret1"].map((who) => `${host} 127.0.0.1 ${digest(who)}`),
          ...["alice", "bob"].map((who) => `GET http ${host} /tools ${who}.read.1`),
        ].sort(),
      );
    },
  );

  it.skipIf(noDigest !== undefined)(titled("asks again for another address of the caller", noDigest), async () => {
    const scriptPath = await site().write("credential.js", renderCredentialScript());
    const { url } = await serve(keeping(60), { credentialDigest: { modulePath: JS_MODULE, scriptPath } });
    const headers = { authorization: "Bearer alice.1", "x-forwarded-for": "203.0.113.9" };
    for (const [from, checks] of [
      ["127.0.0.1", 1],
      ["127.0.0.2", 2],
      ["127.0.0.1", 2],
      ["127.0.0.2", 2],
    ] as const) {
      expect((await send("GET", `${url}/tools`, headers, undefined, from)).status).toBe(200);
      expect([from, origin().asked.get("GET /_auth")]).toEqual([from, checks]);
    }
  });

  it.skipIf(noDigest !== undefined)(titled("asks again when that moment is over", noDigest), async () => {
    const scriptPath = await site().write("credential.js", renderCredentialScript());
    await serve(keeping(1), { credentialDigest: { modulePath: JS_MODULE, scriptPath } });
    await waitFor(async () => (await get("/tools")) && origin().asked.get("GET /_auth") === 2);
    expect(origin().asked.get("GET /tools")).toBe(1);
  });
});

/** Contents of the files below a directory. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"));
}

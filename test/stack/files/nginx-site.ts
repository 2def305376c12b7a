/** A real nginx with a rendered file before a gateway in miniature; both are gone after each test. */
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import type { Plan } from "../../../contract/plan.ts";
import { type NginxPlace, renderNginx } from "../../../infra/topology/index.ts";
import { type Answer, freePort, type Running, send } from "../../harness/index.ts";
import { type Origin, startOrigin } from "./origin.ts";
import { attempt, end, makeSite, type Site, start } from "./running.ts";

export type Served = { readonly place: NginxPlace; readonly url: string; readonly nginx: Running };

/** Called in a describe block; what it returns works inside its tests. */
export function useNginx() {
  let site: Site;
  let origin: Origin;
  let served: Served | undefined;
  beforeEach(async () => {
    site = await makeSite();
    origin = await startOrigin();
  });
  afterEach(async () => {
    await end(served?.nginx, "SIGTERM");
    served = undefined;
    await origin.close();
    await site.remove();
  });

  /** A place on this machine for the nginx that is installed. */
  async function placed(changes: Partial<NginxPlace> = {}): Promise<NginxPlace> {
    const version = /nginx\/([\d.]+)/.exec(attempt("nginx", ["-v"], site).text)?.[1] ?? "";
    const port = await freePort();
    let statusPort = port;
    while (statusPort === port) statusPort = await freePort();
    return {
      version,
      listen: [{ address: "127.0.0.1", port }],
      status: { address: "127.0.0.1", port: statusPort },
      gateways: [{ host: "127.0.0.1", port: origin.port }],
      gatewayTls: null,
      resolvers: [],
      trustedProxies: [],
      directories: { cache: await site.makeDirectory("cache"), temporary: await site.makeDirectory("temporary") },
      pidFile: join(site.path, "nginx.pid"),
      accessLog: null,
      limits: { requestsPerSecond: 10_000, burst: 1000, connections: 1000 },
      maxBodyBytes: 1_048_576,
      isCompressing: true,
      compressors: { brotli: null, zstd: null },
      credentialDigest: null,
      ...changes,
    };
  }

  async function serve(plan: Plan, changes: Partial<NginxPlace> = {}): Promise<Served> {
    const place = await placed(changes);
    const file = await site.write("nginx.conf", renderNginx(plan, place));
    const alive = `http://127.0.0.1:${place.status?.port}/alive`;
    const isUp = async () => (await send("GET", alive, {})).status === 204;
    const nginx = await start({ program: "nginx", args: ["-e", "stderr", "-c", file], site, isUp });
    served = { place, url: `http://127.0.0.1:${place.listen[0]?.port}`, nginx };
    return served;
  }

  function get(path: string, who = "alice.1", headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return send("GET", `${served?.url}${path}`, { authorization: `Bearer ${who}`, ...headers });
  }

  return { site: () => site, origin: () => origin, placed, serve, get };
}

/** What nginx says about where an answer came from. */
export function cacheStatus({ headers }: Pick<Answer, "headers">): string | string[] | undefined {
  return headers["x-cache-status"];
}

/** A real nginx before two real gateways on one PostgreSQL: what the gateways mark is kept, for whom they say, until the registry changes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mintToken, readOwnKeys } from "../../gateway/auth/index.ts";
import {
  type Daemon,
  type Gateway,
  missing,
  rest,
  send,
  startGateway,
  startPostgres,
  titled,
  waitFor,
} from "../harness/index.ts";
import { plans } from "../infra/topology/plans.ts";
import { cacheStatus, useNginx } from "./files/nginx-site.ts";

const SECRET = "a secret that both replicas share, long enough for HS256";
const HOUR_S = 3600;
const absent = missing("nginx", "postgres");

function tokenOf(username: string): Promise<string> {
  const claims = { audience: "mcpgateway-api", issuer: "mcpgateway", adminEmail: "admin@example.com", now: Date.now };
  const keys = readOwnKeys({ algorithm: "HS256", secret: SECRET });
  if (keys === undefined) throw new Error("no key");
  return mintToken(keys, claims, { username, expMinutes: 10 });
}

describe.skipIf(absent !== undefined)(titled("a cache in front of two gateways", absent), () => {
  let postgres: Daemon;
  let one: Gateway;
  let two: Gateway;
  const { serve, get } = useNginx();
  /** Kept for so long that nothing but another key brings a new answer. */
  const plan = (() => {
    const { nginx } = plans.dev;
    const api = { ...nginx.zones.api, validS: HOUR_S, inactiveS: HOUR_S };
    return { ...plans.dev, nginx: { ...nginx, zones: { ...nginx.zones, api } } };
  })();

  beforeAll(async () => {
    postgres = await startPostgres();
    const env = {
      DATABASE_URL: postgres.url,
      JWT_SECRET_KEY: SECRET,
      AUTH_ENCRYPTION_SECRET: SECRET,
      SESSION_KEYS: SECRET,
    };
    [one, two] = await Promise.all([startGateway({ env }), startGateway({ env })]);
  });
  afterAll(async () => {
    await Promise.all([one?.stop(), two?.stop()]);
    await postgres?.stop();
  });
  const inFront = () =>
    serve(plan, { gateways: [one, two].map(({ url }) => ({ host: "127.0.0.1", port: Number(new URL(url).port) })) });

  it("keeps an answer for one principal, whatever his token, and for nobody else", async () => {
    await inFront();
    const seen: unknown[] = [];
    for (const who of ["ann@example.com", "ann@example.com", "bob@example.com", "ann@example.com"]) {
      const answer = await get("/tools", await tokenOf(who));
      seen.push([who, answer.status, cacheStatus(answer), answer.headers["cache-control"]]);
      for (const name of ["x-accel-expires", "x-cache-identity"]) expect(answer.headers[name]).toBeUndefined();
    }
    expect(seen).toEqual([
      ["ann@example.com", 200, "MISS", "private, no-cache"],
      ["ann@example.com", 200, "HIT", "private, no-cache"],
      ["bob@example.com", 200, "MISS", "private, no-cache"],
      ["ann@example.com", 200, "HIT", "private, no-cache"],
    ]);
    const refused = await get("/tools", "nonsense");
    expect([refused.status, cacheStatus(refused)]).toEqual([401, undefined]);
    expect((await get("/_auth", await tokenOf("ann@example.com"))).status).toBe(404);
  });

  it("gives the new answer after a change at either replica, although the old one would be kept for an hour", async () => {
    await inFront();
    const ann = await tokenOf("ann@example.com");
    const listed = async () => {
      const answer = await get("/resources", ann);
      return { status: cacheStatus(answer), names: namesOf(answer.text) };
    };
    expect(await listed()).toEqual({ status: "MISS", names: [] });
    expect(await listed()).toEqual({ status: "HIT", names: [] });
    const expected: string[] = [];
    for (const [gateway, name] of [
      [one, "first"],
      [two, "second"],
    ] as const) {
      const made = await rest(gateway, "POST", "/resources", { uri: `text://${name}`, name, content: "text" });
      expect(made.status).toBe(201);
      expected.push(name);
      // Until the other replica has heard of it, the two may name different versions.
      await waitFor(async () => (await listed()).names.length === expected.length);
      expect((await waitFor(async () => hit(await listed()))).names).toEqual(expected);
    }
  });

  it("keeps neither what is not marked nor what failed", async () => {
    await inFront();
    for (const path of ["/health", "/ready", "/tools/unknown", "/metrics"])
      for (const time of ["first", "second"]) {
        const answer = await get(path, one.token);
        expect([time, path, ["HIT", "STALE"].includes(String(cacheStatus(answer)))]).toEqual([time, path, false]);
      }
    const [first, second] = [await get("/openapi.json", one.token), await get("/openapi.json", one.token)];
    expect([cacheStatus(first), cacheStatus(second), second.text === first.text]).toEqual(["MISS", "HIT", true]);
    expect((await send("GET", `${one.url}/openapi.json`, one.headers)).headers["x-accel-expires"]).toBe("zone");
  });
});

const hit = (answer: { status: unknown; names: string[] }) => (answer.status === "HIT" ? answer : undefined);

function namesOf(text: string): string[] {
  const rows: unknown = JSON.parse(text);
  return Array.isArray(rows) ? rows.map((row) => String(Object(row).name)).sort() : [];
}

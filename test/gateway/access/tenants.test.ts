/**
 * Two teams in one deployment: whatever somebody of the other team asks, with whatever ids of ours he has got hold of, he is shown nothing of
 * ours and changes nothing of it. Takes more than ten seconds: every route with every id, on both engines.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Route, routes } from "../../../contract/routes.ts";
import type { Caller } from "./callers.ts";
import { held, OURS, prepare } from "./ours.ts";
import { ENGINES, type Engine, emailOf, openWorld, type Scope, type World } from "./world.ts";

type Asked = {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** What he knew already: an answer may repeat it. */
  readonly known: readonly string[];
};
type Question = { readonly id: string; readonly asked: Asked };
type Answer = { readonly status: number; readonly text: string };

/** He is in charge of his team; a token made for ours says nothing, for he is not in it. */
const INTRUDERS: readonly Scope[] = ["whole", "team", "server"];

const isRest = ({ area }: Route) => area !== "mcp" && area !== "service";
/** One engine is asked under /v1, the other without. */
const routesOf = (engine: Engine) =>
  routes.filter((route) => !isRest(route) || route.path.startsWith("/v1/") === (engine === "bounded"));

let world: World;
/** Ids of ours by what they are of. */
let ids: Readonly<Record<string, string>>;
let secrets: readonly string[];
beforeAll(async () => {
  world = await openWorld();
  ids = await prepare(world);
  // What is public names its team.
  secrets = Object.values(ids).filter((id) => id !== world.teams.ours);
}, 120_000);
afterAll(() => world?.close());

const MALICE: readonly unknown[] = [
  {},
  { name: "taken over", description: "taken over", enabled: false },
  { visibility: "public" },
  { ownerEmail: emailOf("otherAdmin") },
  { role: "owner", email: emailOf("otherAdmin") },
];
/** With ids, which are known only when the world is there. */
const schemes = ({ teams }: World): readonly unknown[] => [
  ...MALICE,
  { teamId: teams.theirs, visibility: "team" },
  { teamId: teams.ours, name: "planted" },
  { role_id: "team_admin", scope_id: teams.ours, email: emailOf("otherAdmin") },
  { policy: "off", digest: "d2" },
  { name: "n", team_id: teams.ours, scope: { server_id: ids["servers team"] } },
  { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "items-team__team-0", arguments: {} } },
  { jsonrpc: "2.0", id: 1, method: "tools/list", params: {} },
];

/** Ids of what a path is about, and of teams: any other id is nothing there, whoever asks. */
function idsFor({ path }: Route): readonly string[] {
  const kind = /^(?:\/v1)?\/(\w+)\//.exec(path)?.[1] ?? "";
  const own = Object.entries(ids).filter(([name]) => name.startsWith(kind));
  return own.length === 0 ? Object.values(ids) : own.map(([, id]) => id);
}

/** Every way to put one of our ids where a path wants one. */
function pathsOf(route: Route): { readonly path: string; readonly known: readonly string[] }[] {
  const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "");
  if (names.length === 0) return [{ path: route.path, known: [] }];
  const filled = (value: string) => {
    const values = names.map((name, index) => {
      if (name === "email") return emailOf("viewer");
      if (name === "name") return "team-0";
      if (name === "role") return "developer";
      return index === 0 ? value : (ids[name] ?? value);
    });
    const path = names.reduce(
      (left, name, index) => left.replace(`{${name}}`, encodeURIComponent(values[index] ?? "")),
      route.path,
    );
    return { path, known: values };
  };
  return [...new Map(idsFor(route).map((id) => [filled(id).path, filled(id)])).values()];
}

async function ask(engine: Engine, role: Caller["role"], scope: Scope, asked: Asked): Promise<Answer> {
  const { method, path, body } = asked;
  const ended = new AbortController();
  // A login of its own, so that one that ends it leaves the others theirs.
  const header = scope === "whole" && role !== "anonymous" ? await world.login(role) : world.header(role, scope);
  const response = await fetch(world.urls[engine] + path, {
    method,
    signal: ended.signal,
    headers: {
      accept: "application/json, text/event-stream",
      ...(header === undefined ? {} : { authorization: header }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
  if (isStream && method === "GET") {
    ended.abort();
    return { status: response.status, text: "" };
  }
  return { status: response.status, text: await response.text() };
}

/** What of ours stands in an answer, beyond what was asked for by its name. */
function shown(text: string, asked: Asked): string[] {
  const sent = asked.body === undefined ? "" : JSON.stringify(asked.body);
  const isNews = (part: string) => !asked.known.includes(part) && !sent.includes(part) && !asked.path.includes(part);
  const names = [...text.matchAll(new RegExp(OURS, "g"))].map(([name]) => name);
  return [...new Set([...names, ...secrets.filter((id) => text.includes(id))])].filter(isNews);
}

const MUTE: readonly unknown[] = [undefined];
function everything(engine: Engine): Question[] {
  return routesOf(engine).flatMap((route) =>
    route.methods.flatMap((method) =>
      pathsOf(route).flatMap(({ path, known }) =>
        (method === "GET" || route.body === "none" ? MUTE : schemes(world)).map((body) => ({
          id: route.id,
          asked: { method, path, known, ...(body === undefined ? {} : { body }) },
        })),
      ),
    ),
  );
}

type Found = {
  readonly leaks: string[];
  readonly faults: string[];
  readonly answered: Set<string>;
  readonly shown: Set<string>;
};

async function askAll(engine: Engine, role: Caller["role"], scope: Scope, questions: Question[]): Promise<Found> {
  const found: Found = { leaks: [], faults: [], answered: new Set(), shown: new Set() };
  const asker = async (): Promise<void> => {
    for (let next = questions.pop(); next !== undefined; next = questions.pop()) {
      const { id, asked } = next;
      const { status, text } = await ask(engine, role, scope, asked);
      const what = `${id} ${asked.method} ${asked.path}`;
      if (status < 300) found.answered.add(id);
      if (status >= 500 && !text.includes("MCPS_UPSTREAM_")) found.faults.push(`${what}: ${status} ${text}`);
      const news = shown(text, asked);
      if (news.length > 0) found.leaks.push(`${what}: ${news.join(" ")} in ${text.slice(0, 300)}`);
      if (news.length > 0) found.shown.add(id);
    }
  };
  await Promise.all(Array.from({ length: 8 }, asker));
  return found;
}

describe.each(ENGINES)("somebody of another team, %s", (engine) => {
  it.each(INTRUDERS)(
    "is shown nothing of ours and changes nothing (token: %s)",
    { timeout: 180_000 },
    async (scope) => {
      const before = await held(world);
      const { leaks, faults, answered } = await askAll(engine, "otherAdmin", scope, everything(engine));
      expect({ leaks, faults }).toEqual({ leaks: [], faults: [] });
      expect(answered.size).toBeGreaterThan(scope === "server" ? 2 : 10);
      expect(await held(world)).toEqual(before);
    },
  );
});

it("what was asked shows ours to a member of our team", async () => {
  const reads = everything("fastify").filter(({ asked }) => asked.method === "GET");
  const own = reads.map(({ id, asked }) => ({
    id,
    asked: { ...asked, known: [...asked.known, emailOf("developer")] },
  }));
  const { shown } = await askAll("fastify", "developer", "whole", own);
  expect([...shown].sort()).toEqual([
    "auth.validate",
    "gateways.get",
    "gateways.list",
    "members.list",
    "oauth.authorize",
    "oauth.status",
    "permissions.mine",
    "pins.list",
    "prompts.get",
    "prompts.list",
    "resources.get",
    "resources.info",
    "resources.list",
    "servers.get",
    "servers.list",
    "teams.get",
    "teams.list",
    "tokens.list",
    "tools.get",
    "tools.list",
  ]);
});

/** What ends a literal, a statement, a header line, a path; what a number or an id never is. */
const HOSTILE = fc.oneof(
  fc.constantFrom(
    "' or '1'='1",
    "'; drop table gateway; --",
    '") or 1=1 --',
    "$1",
    "\\'; select pg_sleep(10) --",
    "\r\nx-injected: 1",
    "\n\nHTTP/1.1 200 OK",
    "%0d%0ax-injected:%201",
    "../../gateways",
    "\u0000",
    "\ud800",
    "__proto__",
    "%",
    "_",
    "9".repeat(400),
    "-1",
    "1e400",
    "NaN",
  ),
  fc.string({ unit: "binary", maxLength: 40 }),
);
const QUERIES = ["cursor", "limit", "tags", "visibility", "team_id", "gateway_id", "include_inactive", "from", "q"];

describe.each(ENGINES)("hostile text, %s", (engine) => {
  it("in paths and queries is text: no fault, no header of its own, nothing of ours, nothing changed", {
    timeout: 120_000,
  }, async () => {
    const before = await held(world);
    const login = await world.login("otherAdmin");
    const asked = routesOf(engine).filter((route) => isRest(route) && route.methods.includes("GET"));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...asked),
        fc.array(HOSTILE, { minLength: 3, maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...QUERIES), HOSTILE, { maxKeys: 4 }),
        async (route, values, query) => {
          const given = [...values];
          const path = route.path.replaceAll(/\{\w+\}/g, () =>
            encodeURIComponent((given.pop() ?? "").toWellFormed() || "x"),
          );
          const url = `${world.urls[engine]}${path}?${new URLSearchParams(query)}`;
          const response = await fetch(url, { headers: { authorization: login }, redirect: "manual" });
          const text = await response.text();
          expect([url, response.status < 500 ? "" : text]).toEqual([url, ""]);
          expect(response.headers.get("x-injected")).toBeNull();
          expect([url, shown(text, { method: "GET", path: url, known: [] })]).toEqual([url, []]);
        },
      ),
      { numRuns: 600 },
    );
    expect(await held(world)).toEqual(before);
  });
});

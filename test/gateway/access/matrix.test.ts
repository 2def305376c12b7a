/**
 * The access matrix: every route of the description × caller × visibility × token scope, on both engines. One engine is asked under /v1, the
 * other without. Takes more than ten seconds: thousands of questions to a whole gateway.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { type Route, routes } from "../../../contract/routes.ts";
import { CALLERS, type Caller, mayAnywhere } from "./callers.ts";
import { type Question, ROWS, type Row } from "./rows.ts";
import { ENGINES, type Engine, openWorld, VISIBILITIES, type Visibility, type World } from "./world.ts";

const isRest = ({ area }: Route) => area !== "mcp" && area !== "service";
const isVersioned = ({ path }: Route) => path.startsWith("/v1/");
const keyOf = (route: Route, method: string) => (route.methods.length === 1 ? route.id : `${route.id} ${method}`);
const questions = routes.flatMap((route) =>
  route.methods.map((method) => ({ route, method, key: keyOf(route, method) })),
);

let world: World;
beforeAll(async () => {
  world = await openWorld();
}, 120_000);
afterAll(() => world?.close());

/** Status, and what a 404 says is missing. */
async function asked(
  engine: Engine,
  route: Route,
  method: string,
  caller: Caller,
  question: Question,
): Promise<string> {
  const { params = {}, query = "", body, fresh } = question;
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? "none"));
  const { role, scope } = caller;
  const header =
    fresh === true && role !== "anonymous" && scope === "whole" ? await world.login(role) : world.header(role, scope);
  const ended = new AbortController();
  const response = await fetch(`${world.urls[engine]}${path}${query === "" ? "" : `?${query}`}`, {
    method,
    signal: ended.signal,
    headers: {
      accept: "application/json, text/event-stream",
      ...(header === undefined ? {} : { authorization: header }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.headers.get("content-type")?.startsWith("text/event-stream")) {
    ended.abort();
    return String(response.status);
  }
  const text = await response.text();
  if (text.includes('"MCPS_UPSTREAM_') && response.status >= 500) return "upstream";
  const missing = /(?:There is no|Unknown) (\w+)/.exec(response.status === 404 ? text : "")?.[1];
  return missing === undefined ? String(response.status) : `${response.status} ${missing}`;
}

function expected(route: Route, method: string, row: Row, caller: Caller, visibility: Visibility): string {
  if (route.auth === "public") return row.answer(caller, visibility);
  if (caller.role === "anonymous") return "401";
  if (route.permission !== undefined && !mayAnywhere(caller, route.permission)) return "403";
  if (caller.scope === "server") {
    const isRead = route.area === "mcp" || method === "GET";
    const isOwn = row.of === "servers" && route.path.includes("/servers/{id}") && visibility === "public" && isRead;
    if (!isOwn && route.id !== "identity") return "403";
  }
  return row.answer(caller, visibility);
}

describe("the table", () => {
  it("has a row for every route, and no other", () => {
    expect(Object.keys(ROWS).sort()).toEqual([...new Set(questions.map(({ key }) => key))].sort());
  });

  it("asks every operation of the OpenAPI document that is served, and only what is kept out of it besides", async () => {
    const response = await fetch(`${world.urls.fastify}/openapi.json`, {
      headers: { authorization: await world.login("platformAdmin") },
    });
    const { paths } = z
      .object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
      .parse(await response.json());
    const described = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const isDescribed = ({ route }: { readonly route: Route }) => route.internal !== true;
    const asked = questions.filter(isDescribed).map(({ route, method }) => `${method} ${route.path}`);
    expect(described.sort()).toEqual(asked.sort());
    expect(questions.filter((one) => !isDescribed(one)).map(({ key }) => key)).toEqual(["identity"]);
  });

  it("asks every route of REST under both of its paths", () => {
    const plain = routes.filter((route) => isRest(route) && !isVersioned(route));
    const twins = routes
      .filter((route) => isRest(route) && isVersioned(route))
      .map((route) => ({ ...route, path: route.path.slice("/v1".length) }));
    expect(twins).toEqual(plain);
  });
});

describe.each(ENGINES)("%s", (engine) => {
  const here = questions.filter(({ route }) => !isRest(route) || isVersioned(route) === (engine === "bounded"));

  it.each(here.map((one) => [`${one.method} ${one.route.path}`, one] as const))(
    "%s",
    async (_, { route, method, key }) => {
      const row = ROWS[key];
      if (row === undefined) throw new Error(`${key} has no row`);
      const visibilities: readonly Visibility[] = row.of === undefined ? ["public"] : VISIBILITIES;
      const cases = CALLERS.flatMap((caller) => visibilities.map((visibility) => ({ caller, visibility })));
      const name = ({ caller, visibility }: (typeof cases)[number]) =>
        `${caller.role} ${caller.scope}${row.of === undefined ? "" : ` ${visibility}`}`;
      const got = await Promise.all(
        cases.map(async (one) => {
          const wanted = expected(route, method, row, one.caller, one.visibility);
          const question = row.ask(world, one.visibility, wanted);
          return [name(one), await asked(engine, route, method, one.caller, question), wanted] as const;
        }),
      );
      expect(Object.fromEntries(got.map(([title, status]) => [title, status]))).toEqual(
        Object.fromEntries(got.map(([title, , wanted]) => [title, wanted])),
      );
    },
  );
});

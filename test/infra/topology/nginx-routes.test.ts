/** Where nginx sends each route of the table, read from the rendered file. */
import { describe, expect, it } from "vitest";
import { type Route, routes } from "../../../contract/routes.ts";
import { renderNginx } from "../../../infra/topology/index.ts";
import { nginxPlace } from "./places.ts";
import { plans } from "./plans.ts";

const text = renderNginx(plans.prod, { ...nginxPlace, status: null });

/** A location's head and what it does with an answer: the zone that keeps it, a stream, or nothing of the kind. */
type Location = { readonly head: string; readonly kind: string };

const locations: readonly Location[] = [...text.matchAll(/^ {4}location (.+) \{\n((?: {6}.*\n)*)/gm)].map(
  ([, head = "", body = ""]) => {
    const zone = /proxy_cache (\w+);/.exec(body)?.[1];
    return { head, kind: zone ?? (body.includes("proxy_read_timeout 3600s") ? "stream" : "plain") };
  },
);

/** nginx: an exact location, else the longest prefix if it says so, else the first expression, else the longest prefix. */
function kindOf(path: string): string | undefined {
  const exact = locations.find(({ head }) => head === `= ${path}`);
  const firm = locations.find(({ head }) => head.startsWith("^~ ") && path.startsWith(head.slice(3)));
  const matching = locations.find(
    ({ head }) => head.startsWith('~ "') && new RegExp(head.slice(3, -1).replaceAll("\\\\", "\\")).test(path),
  );
  return (exact ?? firm ?? matching ?? locations.find(({ head }) => head === "/"))?.kind;
}

function expectedOf({ id, path, area, methods, cache }: Route): string {
  if (id === "identity") return "identity";
  // Kept nowhere either, as long as the gateway does not say that it may be.
  if (path.startsWith("/admin/")) return "admin";
  if (area === "mcp") return methods.includes("GET") ? "stream" : "plain";
  return { none: "plain", private: "api", public: "schema" }[cache];
}

/** What is there under the same path for reading decides: the other methods leave that location at once. */
function readerOf(path: string): Route | undefined {
  const reading = routes.filter(({ methods }) => methods.includes("GET"));
  const isPattern = (route: Route) =>
    new RegExp(`^${route.path.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`).test(path);
  return reading.find((route) => route.path === path) ?? reading.find(isPattern);
}

describe("locations", () => {
  it.each([...new Set(routes.map(({ path }) => path))])("%s", (path) => {
    const route = readerOf(path) ?? routes.find((one) => one.path === path);
    const real = path.replaceAll(/\{\w+\}/g, "an-id");
    const expected = route === undefined ? "a route" : expectedOf(route);
    expect(kindOf(real)).toBe(expected);
    // The identity check is nginx's own location, and closed to everybody else.
    if (real !== "/") expect(kindOf(`${real}/`)).toBe(expected === "identity" ? "plain" : expected);
  });

  it.each([
    ["/static/app.css", "static"],
    ["/admin", "admin"],
    ["/admin/tools", "admin"],
    ["/administrator", "plain"],
    ["/tools/a/b/c", "plain"],
    ["/v2/tools", "plain"],
    ["/openapiXjson", "plain"],
    ["/mcp/extra", "plain"],
    ["/nothing", "plain"],
  ])("%s is %s", (path, kind) => {
    expect(kindOf(path)).toBe(kind);
  });

  it("are these, and whatever is kept is kept behind the identity check and under the identity", () => {
    expect(locations.map(({ kind }) => kind)).toEqual([
      "identity",
      "plain",
      "stream",
      "static",
      "schema",
      "admin",
      "api",
      "plain",
      "plain",
    ]);
    const bodies = text.split(/^ {4}location /m).slice(1);
    const cached = bodies.filter((body) => /proxy_cache (?!identity)\w+;/.test(body));
    expect(cached.filter((body) => !body.includes("auth_request /_auth;"))).toEqual([]);
    expect(cached.map((body) => /proxy_cache_key (".*");/.exec(body)?.[1])).toEqual(
      Array(4).fill('"$request_method $forwarded_proto $http_host $request_uri $cache_identity"'),
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchRoute, routes } from "../../contract/routes.ts";

describe("matchRoute", () => {
  it("finds every route of the table by its own path", () => {
    for (const route of routes) {
      const path = route.path.replaceAll(/\{\w+\}/g, "a%2Fb");
      const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const params = Object.fromEntries(names.map((name) => [name, "a/b"]));
      for (const method of route.methods) expect(matchRoute(method, path)).toEqual({ kind: "route", route, params });
    }
  });

  it("has no two routes for one method and path", () => {
    const keys = routes.flatMap(({ methods, path }) => methods.map((method) => `${method} ${path}`));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it.each([
    ["GET", "/servers/x/mcp", "server-mcp"],
    ["GET", "/servers/x", "servers.get"],
    ["GET", "/v1/servers/x/tools", "servers.tools"],
    ["GET", "/resources/templates/list", "resources.templates"],
    ["POST", "/gateways/x/tools/refresh", "gateways.refresh"],
    ["GET", "/tools/", "tools.list"],
    ["POST", "/", "root-rpc"],
  ])("%s %s is %s", (method, path, id) => {
    expect(matchRoute(method, path)).toMatchObject({ kind: "route", route: { id } });
  });

  it("tells a wrong method from a wrong path", () => {
    expect(matchRoute("PUT", "/mcp")).toEqual({ kind: "method", allowed: ["POST", "GET", "DELETE"] });
    expect(matchRoute("GET", "/")).toEqual({ kind: "method", allowed: ["POST"] });
    for (const path of [
      "/nothing",
      "/servers//mcp",
      "/servers/%zz",
      "/servers/a%00",
      "/v1",
      "/v1/mcp",
      "mcp",
      "",
      "//",
      `/tools/${"x".repeat(5000)}`,
    ]) {
      expect(matchRoute("GET", path)).toEqual({ kind: "none" });
    }
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const { kind } = matchRoute("GET", `/${text}`);
        return ["route", "method", "none"].includes(kind);
      }),
    );
  });
});

/** The description of the interface: whole, and made of what the rooms hand in. */
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { type Route, routes } from "../../../contract/routes.ts";
import { openApiDocument, registryDescription } from "../../../gateway/registry/index.ts";

/** For people: a redirection, and a page. */
const PAGES = ["oauth.begin", "oauth.callback"];
const silent = { schemas: {}, routeOf: () => ({}) };
const isRegistry = ({ area }: Route) => area === "registry";

describe("a room's description", () => {
  it("knows every route of the registry, and no schema that is not among its own", () => {
    for (const route of routes.filter(isRegistry)) {
      const found = registryDescription.routeOf(route);
      const names = [found?.answer, found?.body].filter((name) => name !== undefined);
      expect(names.filter((name) => !(name in registryDescription.schemas))).toEqual([]);
      if (!PAGES.includes(route.id)) expect(found).toMatchObject({ answer: expect.any(String) });
      expect([route.path, found?.body !== undefined]).toEqual([route.path, route.body === "json"]);
    }
  });

  it("is needed for each of its routes, with schemas that are there and nobody else's", () => {
    const missing = { schemas: {}, routeOf: () => undefined };
    expect(() => openApiDocument("1", { registry: missing })).toThrow(
      new RangeError("the room registry does not describe its route gateways.list"),
    );
    const vague = { schemas: {}, routeOf: () => ({ answer: "Gateway" }) };
    expect(() => openApiDocument("1", { registry: vague })).toThrow(
      new RangeError("the description of gateways.list names the schema Gateway, which its room does not have"),
    );
    const twice = { schemas: { Gateway: z.string() }, routeOf: () => ({}) };
    const both = { registry: registryDescription, accounts: twice, admin: twice };
    expect(() => openApiDocument("1", both)).toThrow(new RangeError("two rooms have a schema called Gateway"));
  });

  it("shows bodies as they may be sent and answers as they come", () => {
    const schema = z.object({ count: z.int().default(3) });
    const routeOf = (route: Route) =>
      route.id === "tools.update"
        ? { ...registryDescription.routeOf(route), body: "Sent" }
        : registryDescription.routeOf(route);
    const schemas = { ...registryDescription.schemas, Sent: schema, Read: schema };
    const { components } = openApiDocument("1", { registry: { schemas, routeOf }, accounts: silent, admin: silent });
    expect(components.schemas.Sent).not.toHaveProperty("required");
    expect(components.schemas.Read).toHaveProperty("required", ["count"]);
  });
});

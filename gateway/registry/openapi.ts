/** The OpenAPI 3.1 document of this API, made from the route table and what the rooms behind its REST routes say of them. */
import * as z from "zod";
import { errors } from "../../contract/errors.ts";
import type { RestDescription, RouteDescription } from "../../contract/rest.ts";
import { type RestArea, type Route, routes } from "../../contract/routes.ts";
import { errorRead } from "./schemas.ts";

export type Descriptions = Readonly<Partial<Record<RestArea, RestDescription>>>;

const json = (schema: unknown) => ({ "application/json": { schema } });
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

function isRest(area: Route["area"]): area is RestArea {
  return area !== "mcp" && area !== "service";
}

/** Of a REST route. Throws RangeError when its room does not describe it, or names a schema that is not there. */
function describe(route: Route, descriptions: Descriptions): RouteDescription {
  if (!isRest(route.area)) return {};
  const description = descriptions[route.area];
  const found = description?.routeOf(route);
  if (description === undefined || found === undefined)
    throw new RangeError(`the room ${route.area} does not describe its route ${route.id}`);
  for (const name of [found.answer, found.body]) {
    if (name !== undefined && !Object.hasOwn(description.schemas, name))
      throw new RangeError(`the description of ${route.id} names the schema ${name}, which its room does not have`);
  }
  return found;
}

function parametersOf(route: Route, { query = [] }: RouteDescription) {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  return [...inPath, ...query.map(({ name, description, schema }) => ({ name, in: "query", description, schema }))];
}

/** A plain array, or an object with the array and `nextCursor`. */
function listOf(name: string) {
  const array = { type: "array", items: ref(name) };
  const paged = { type: "object", additionalProperties: { anyOf: [array, { type: ["string", "null"] }] } };
  return { anyOf: [array, paged] };
}

function operation(route: Route, method: string, described: RouteDescription) {
  const { answer, list, body, status = 200 } = described;
  const content = answer === undefined ? {} : { content: json(list === true ? listOf(answer) : ref(answer)) };
  const parameters = parametersOf(route, described);
  const takesBody = route.body !== "none" && method !== "GET" && method !== "DELETE";
  return {
    operationId: [method.toLowerCase(), ...route.path.replaceAll(/[{}]/g, "").split("/").filter(Boolean)].join("."),
    summary: route.summary,
    tags: [isRest(route.area) ? (route.id.split(".")[0] ?? "") : route.area],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(takesBody
      ? { requestBody: { required: true, content: json(body === undefined ? { type: "object" } : ref(body)) } }
      : {}),
    responses: {
      [status]: { description: "Done", ...content },
      default: { description: "A failure; `error.data` tells more", content: json(ref("Error")) },
    },
    ...(route.auth === "public" ? { security: [] } : {}),
    ...(route.permission === undefined ? {} : { "x-permission": route.permission }),
  };
}

/** Every room's schemas; those of bodies as they may be sent, the others as they are answered. Throws RangeError for a name of two rooms. */
function componentsOf(descriptions: Descriptions, bodies: ReadonlySet<string>) {
  const components: Record<string, unknown> = {};
  const all = [...Object.values(descriptions).flatMap(({ schemas }) => Object.entries(schemas))];
  for (const [name, schema] of [...all, ["Error", errorRead] as const]) {
    if (Object.hasOwn(components, name)) throw new RangeError(`two rooms have a schema called ${name}`);
    const { $schema: _, ...plain } = z.toJSONSchema(schema, { io: bodies.has(name) ? "input" : "output" });
    components[name] = plain;
  }
  return components;
}

/** The whole document as JSON data; `version` is the program's. Throws RangeError for a REST route that nobody describes. */
export function openApiDocument(version: string, descriptions: Descriptions, pathPrefix = "") {
  const paths: Record<string, Record<string, unknown>> = {};
  const bodies = new Set<string>();
  for (const route of routes.filter(({ internal }) => internal !== true)) {
    const entry = paths[route.path] ?? {};
    paths[route.path] = entry;
    const described = describe(route, descriptions);
    if (described.body !== undefined) bodies.add(described.body);
    for (const method of route.methods) entry[method.toLowerCase()] = operation(route, method, described);
  }
  return {
    openapi: "3.1.0",
    info: { title: "mcp-stack", version, description: "An MCP gateway: registry of upstreams and virtual servers." },
    servers: [{ url: pathPrefix === "" ? "/" : pathPrefix }],
    paths,
    components: {
      schemas: componentsOf(descriptions, bodies),
      securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
    },
    security: [{ bearer: [] }],
    "x-error-codes": errors,
  };
}

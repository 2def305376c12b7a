/** The OpenAPI 3.1 document of this API, made from the route table and the schemas that also check the input. */
import * as z from "zod";
import { errors } from "../../contract/errors.ts";
import { type Route, routes } from "../../contract/routes.ts";
import {
  errorRead,
  gatewayCreate,
  gatewayPatch,
  gatewayRead,
  itemPatch,
  itemRead,
  promptCreate,
  promptPatch,
  resourceCreate,
  resourcePatch,
  serverCreate,
  serverPatch,
  serverRead,
} from "./schemas.ts";

const deleted = z.object({ status: z.literal("success"), id: z.string() });

/** Every schema of the document's components, by name. */
export const openApiSchemas = {
  Gateway: gatewayRead,
  GatewayCreate: gatewayCreate,
  GatewayPatch: gatewayPatch,
  Server: serverRead,
  ServerCreate: serverCreate,
  ServerPatch: serverPatch,
  Item: itemRead,
  ItemPatch: itemPatch,
  ResourceCreate: resourceCreate,
  ResourcePatch: resourcePatch,
  PromptCreate: promptCreate,
  PromptPatch: promptPatch,
  Deleted: deleted,
  Error: errorRead,
} as const;
type SchemaName = keyof typeof openApiSchemas;

const READS: Readonly<Record<string, SchemaName>> = {
  gateways: "Gateway",
  servers: "Server",
  tools: "Item",
  resources: "Item",
  prompts: "Item",
};
const LIST_PARAMETERS = [
  ["limit", "Items of a page: 1 to 500, 50 when absent; 0 for all", { type: "integer", minimum: 0, maximum: 500 }],
  ["cursor", "Where to go on: nextCursor of the page before", { type: "string" }],
  ["include_pagination", "Answer an object with nextCursor instead of an array", { type: "boolean" }],
  ["include_inactive", "Disabled ones too", { type: "boolean" }],
  ["tags", "Any of these, separated by commas", { type: "string" }],
  ["visibility", "Only these", { enum: ["private", "team", "public"] }],
  ["team_id", "Only those of this team", { type: "string" }],
] as const;

const ref = (name: SchemaName) => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: unknown) => ({ "application/json": { schema } });

/** What the answer of a registry route with status 2xx is; also used to check answers in tests. */
export function answerSchema(route: Route): { readonly name: SchemaName; readonly list: boolean } {
  const [resource = "", action = ""] = route.id.split(".");
  if (action === "delete") return { name: "Deleted", list: false };
  const isNested = resource === "servers" && ["tools", "resources", "prompts"].includes(action);
  const list = action === "list" || action === "templates" || isNested;
  return { name: isNested ? "Item" : (READS[resource] ?? "Error"), list };
}

const BODIES: Readonly<Record<string, { readonly create: SchemaName; readonly patch: SchemaName }>> = {
  gateways: { create: "GatewayCreate", patch: "GatewayPatch" },
  servers: { create: "ServerCreate", patch: "ServerPatch" },
  resources: { create: "ResourceCreate", patch: "ResourcePatch" },
  prompts: { create: "PromptCreate", patch: "PromptPatch" },
};

function bodySchema(route: Route): SchemaName {
  const [resource = "", action = ""] = route.id.split(".");
  return BODIES[resource]?.[action === "create" ? "create" : "patch"] ?? "ItemPatch";
}

function parametersOf(route: Route) {
  const inPath = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const query = (name: string, description: string, schema: unknown) => ({ name, in: "query", description, schema });
  if (route.area !== "registry") return inPath;
  const [resource = "", action = ""] = route.id.split(".");
  if (answerSchema(route).list) {
    const all = LIST_PARAMETERS.map(([name, text, schema]) => query(name, text, schema));
    const items = ["tools", "resources", "prompts"].includes(resource);
    return [
      ...inPath,
      ...all,
      ...(items ? [query("gateway_id", "Only those of this upstream", { type: "string" })] : []),
    ];
  }
  const more = {
    state: [query("activate", "Enable (true, the default) or disable", { type: "boolean" })],
    toggle: [query("activate", "Enable (true, the default) or disable", { type: "boolean" })],
    refresh: [query("restore", "Bring deleted items back", { type: "boolean" })],
    create: resource === "gateways" ? [DEFERRED] : [],
    update: resource === "gateways" ? [DEFERRED] : [],
    patch: resource === "gateways" ? [DEFERRED] : [],
  };
  return [...inPath, ...(Object.entries(more).find(([name]) => name === action)?.[1] ?? [])];
}

const DEFERRED = {
  name: "deferred",
  in: "query",
  description: "Store it although the upstream cannot be reached now",
  schema: { type: "boolean" },
};

function operation(route: Route, method: string) {
  const registry = route.area === "registry";
  const { name, list } = answerSchema(route);
  const array = { type: "array", items: ref(name) };
  const paged = { type: "object", additionalProperties: { anyOf: [array, { type: ["string", "null"] }] } };
  const ok = registry ? { content: json(list ? { anyOf: [array, paged] } : ref(name)) } : {};
  const parameters = parametersOf(route);
  const body = route.body === "json" ? json(ref(bodySchema(route))) : json({ type: "object" });
  return {
    operationId: [method.toLowerCase(), ...route.path.replaceAll(/[{}]/g, "").split("/").filter(Boolean)].join("."),
    summary: route.summary,
    tags: [registry ? (route.id.split(".")[0] ?? "") : route.area],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body === "none" || method === "GET" || method === "DELETE"
      ? {}
      : { requestBody: { required: true, content: body } }),
    responses: {
      [route.id.endsWith(".create") ? "201" : "200"]: { description: "Done", ...ok },
      default: { description: "A failure; `error.data` tells more", content: json(ref("Error")) },
    },
    ...(route.auth === "public" ? { security: [] } : {}),
    ...(route.permission === undefined ? {} : { "x-permission": route.permission }),
  };
}

/** The whole document as JSON data; `version` is the program's. */
export function openApiDocument(version: string, pathPrefix = "") {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes.filter(({ internal }) => internal !== true)) {
    const entry = paths[route.path] ?? {};
    paths[route.path] = entry;
    for (const method of route.methods) entry[method.toLowerCase()] = operation(route, method);
  }
  const schemas = Object.fromEntries(
    Object.entries(openApiSchemas).map(([name, schema]) => {
      const { $schema: _, ...plain } = z.toJSONSchema(schema, { io: name.match(/Create|Patch/) ? "input" : "output" });
      return [name, plain];
    }),
  );
  return {
    openapi: "3.1.0",
    info: { title: "mcp-stack", version, description: "An MCP gateway: registry of upstreams and virtual servers." },
    servers: [{ url: pathPrefix === "" ? "/" : pathPrefix }],
    paths,
    components: { schemas, securitySchemes: { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } } },
    security: [{ bearer: [] }],
    "x-error-codes": errors,
  };
}

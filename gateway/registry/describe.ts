/** What the registry's routes take and answer, for the description of the interface; the schemas also check the input. */
import * as z from "zod";
import type { QueryParameter, RestDescription, RouteDescription } from "../../contract/rest.ts";
import { RESOURCES, type Route } from "../../contract/routes.ts";
import { pinDecision, pinPolicy, pinRead } from "./pins.ts";
import { importRead, openApiImport, openApiUpdate, toolCreate, toolPatch } from "./rest-schemas.ts";
import {
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
import { importedRead, importRequest, registryExport, selectiveExport } from "./transfer/document.ts";

const schemas = {
  ToolCreate: toolCreate,
  ToolPatch: toolPatch,
  RegistryExport: registryExport,
  RegistryImport: importRequest,
  RegistrySelection: selectiveExport,
  RegistryImported: importedRead,
  OpenApiImport: openApiImport,
  OpenApiUpdate: openApiUpdate,
  OpenApiImported: importRead,
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
  OAuthBegun: z.object({ gatewayId: z.string(), authorizationUrl: z.string() }),
  OAuthStatus: z.object({
    gatewayId: z.string(),
    authorised: z.boolean(),
    expiresAt: z.string().nullable(),
    /** Why the token could not be renewed. */
    failure: z.string().nullable(),
  }),
  OAuthTools: z.object({ gatewayId: z.string(), tools: z.array(z.string()) }),
  Pin: pinRead,
  PinDecision: pinDecision,
  PinPolicy: pinPolicy,
  Deleted: z.object({ status: z.literal("success"), id: z.string() }),
} as const;
type SchemaName = keyof typeof schemas;

const READS: Readonly<Record<string, SchemaName>> = {
  gateways: "Gateway",
  servers: "Server",
  tools: "Item",
  resources: "Item",
  prompts: "Item",
};
const BODIES: Readonly<Record<string, { readonly create: SchemaName; readonly patch: SchemaName }>> = {
  gateways: { create: "GatewayCreate", patch: "GatewayPatch" },
  servers: { create: "ServerCreate", patch: "ServerPatch" },
  tools: { create: "ToolCreate", patch: "ToolPatch" },
  resources: { create: "ResourceCreate", patch: "ResourcePatch" },
  prompts: { create: "PromptCreate", patch: "PromptPatch" },
};

/** Pages for people have no schema. */
const OAUTH: Readonly<Record<string, RouteDescription>> = {
  authorize: { answer: "OAuthBegun" },
  begin: { status: 302 },
  callback: {},
  status: { answer: "OAuthStatus" },
  fetchTools: { answer: "OAuthTools" },
  revoke: { answer: "Deleted" },
};

const query = (name: string, description: string, schema: unknown): QueryParameter => ({ name, description, schema });
const BOOLEAN = { type: "boolean" };
const TEXT = { type: "string" };

const LIST_QUERY: readonly QueryParameter[] = [
  query("limit", "Items of a page: 1 to 500, 50 when absent; 0 for all", { type: "integer", minimum: 0, maximum: 500 }),
  query("cursor", "Where to go on: nextCursor of the page before", TEXT),
  query("include_pagination", "Answer an object with nextCursor instead of an array", BOOLEAN),
  query("include_inactive", "Disabled ones too", BOOLEAN),
  query("tags", "Any of these, separated by commas", TEXT),
  query("visibility", "Only these", { enum: ["private", "team", "public"] }),
  query("team_id", "Only those of this team", TEXT),
];
const GATEWAY_ID = query("gateway_id", "Only those of this upstream", TEXT);
const DEFERRED = query("deferred", "Store it although the upstream cannot be reached now", BOOLEAN);
const ACTIVATE = query("activate", "Enable (true, the default) or disable", BOOLEAN);
const RESTORE = query("restore", "Bring deleted items back", BOOLEAN);

const IMPORTS: Readonly<Record<string, RouteDescription>> = {
  openapiPreview: { answer: "OpenApiImported", body: "OpenApiImport" },
  openapiCreate: { answer: "OpenApiImported", body: "OpenApiImport", status: 201, query: [DEFERRED] },
  openapiUpdatePreview: { answer: "OpenApiImported", body: "OpenApiUpdate" },
  openapiUpdate: { answer: "OpenApiImported", body: "OpenApiUpdate" },
};

const TRANSFER: Readonly<Record<string, RouteDescription>> = {
  export: {
    answer: "RegistryExport",
    query: [
      query("types", "Only these, separated by commas: gateways, resources, prompts, servers", TEXT),
      query("exclude_types", "All but these", TEXT),
      query("tags", "Only what has any of these, separated by commas", TEXT),
      query("include_inactive", "Disabled ones too; true when absent", BOOLEAN),
    ],
  },
  "export-selective": { answer: "RegistryExport", body: "RegistrySelection" },
  import: { answer: "RegistryImported", body: "RegistryImport" },
};

function queryOf(resource: string, action: string): readonly QueryParameter[] {
  if (action === "state" || action === "toggle") return [ACTIVATE];
  if (action === "refresh") return [RESTORE];
  return resource === "gateways" && ["create", "update", "patch"].includes(action) ? [DEFERRED] : [];
}

const PINS: Readonly<Record<string, RouteDescription>> = {
  list: {
    answer: "Pin",
    list: true,
    query: [
      query("state", "Only what waits for a decision, or only what does not", { enum: ["pending", "approved"] }),
      GATEWAY_ID,
    ],
  },
  get: { answer: "Pin" },
  approve: { answer: "Pin", body: "PinDecision" },
  reject: { answer: "Pin", body: "PinDecision" },
  policy: { answer: "PinPolicy", body: "PinPolicy" },
};

function routeOf(route: Route): RouteDescription | undefined {
  const [resource = "", action = ""] = route.id.split(".");
  if (resource === "registry") return TRANSFER[action];
  if (resource === "oauth") return OAUTH[action];
  if (resource === "pins") return PINS[action];
  const read = READS[resource];
  if (read === undefined) return undefined;
  if (action === "delete") return { answer: "Deleted" };
  const imported = IMPORTS[action];
  if (imported !== undefined) return imported;
  const isNested = resource === "servers" && RESOURCES.some((name) => name === action);
  if (isNested || action === "list" || action === "templates") {
    const isItems = resource !== "gateways" && resource !== "servers";
    return { answer: isNested ? "Item" : read, list: true, query: isItems ? [...LIST_QUERY, GATEWAY_ID] : LIST_QUERY };
  }
  const bodies = BODIES[resource];
  const body = action === "create" ? bodies?.create : bodies?.patch;
  return {
    answer: read,
    query: queryOf(resource, action),
    ...(route.body === "json" ? { body: body ?? "ItemPatch" } : {}),
    ...(action === "create" ? { status: 201 } : {}),
  };
}

export const registryDescription: RestDescription = { schemas, routeOf };

/** Routes of what the registry holds. */
import type { Action } from "../permissions.ts";
import type { Route } from "./route.ts";

export const RESOURCES = ["gateways", "servers", "tools", "resources", "prompts"] as const;
export type ResourceName = (typeof RESOURCES)[number];

function rest(
  resource: ResourceName,
  action: Action,
  id: string,
  method: string,
  tail: string,
  summary: string,
): Route {
  const isList = id === "list" || tail.endsWith("/tools") || tail.endsWith("/resources") || tail.endsWith("/prompts");
  return {
    id: `${resource}.${id}`,
    methods: [method],
    path: `/${resource}${tail}`,
    class: isList && method === "GET" ? "list" : "control",
    auth: "principal",
    permission: `${resource}.${action}`,
    cache: method === "GET" ? "private" : "none",
    body: id === "create" || id === "update" || id === "patch" ? "json" : "none",
    summary,
    area: "registry",
  };
}

/** Pinned definitions of tools belong to their upstream. */
function pin(id: string, method: string, path: string, summary: string): Route {
  return {
    id: `pins.${id}`,
    methods: [method],
    path,
    class: id === "list" ? "list" : "control",
    auth: "principal",
    permission: method === "GET" ? "gateways.read" : "gateways.update",
    cache: "none",
    body: method === "GET" ? "none" : "json",
    summary,
    area: "registry",
  };
}

function resourceRoutes(resource: ResourceName): Route[] {
  const one = resource.slice(0, -1);
  return [
    rest(resource, "read", "list", "GET", "", `List ${resource}, page by page`),
    rest(resource, "create", "create", "POST", "", `Create a ${one}`),
    rest(resource, "read", "get", "GET", "/{id}", `Get a ${one}`),
    rest(resource, "update", "update", "PUT", "/{id}", `Change the given fields of a ${one}`),
    rest(resource, "update", "patch", "PATCH", "/{id}", `Change the given fields of a ${one}`),
    rest(resource, "delete", "delete", "DELETE", "/{id}", `Delete a ${one}`),
    rest(resource, "update", "state", "POST", "/{id}/state", `Enable or disable a ${one} (activate=true|false)`),
    rest(resource, "update", "toggle", "POST", "/{id}/toggle", "Older name of state"),
  ];
}

/** OpenAPI documents as upstreams of REST tools. */
const imports: readonly Route[] = [
  rest(
    "gateways",
    "create",
    "openapiPreview",
    "POST",
    "/openapi/preview",
    "What importing an OpenAPI document would make",
  ),
  rest(
    "gateways",
    "create",
    "openapiCreate",
    "POST",
    "/openapi",
    "Make an upstream with the operations of an OpenAPI document as tools",
  ),
  rest(
    "gateways",
    "update",
    "openapiUpdatePreview",
    "POST",
    "/{id}/openapi/preview",
    "What importing the document again would change",
  ),
  rest(
    "gateways",
    "update",
    "openapiUpdate",
    "POST",
    "/{id}/openapi",
    "Import the document again: tools follow it, their ids stay",
  ),
].map((route) => ({ ...route, body: "json" as const }));

/** The registry as a document. */
const transfer: readonly Route[] = [
  {
    ...{ id: "registry.export", methods: ["GET"], path: "/export", class: "control", auth: "principal" },
    ...{ permission: "admin.export", cache: "none", body: "none", area: "registry" },
    summary: "The registry as a document; its secrets only with a passphrase (X-Export-Passphrase)",
  },
  {
    ...{ id: "registry.export-selective", methods: ["POST"], path: "/export/selective", class: "control" },
    ...{ auth: "principal", permission: "admin.export", cache: "none", body: "json", area: "registry" },
    summary: "Chosen parts of the registry as a document, with what chosen servers show",
  },
  {
    ...{ id: "registry.import", methods: ["POST"], path: "/import", class: "control", auth: "principal" },
    ...{ permission: "admin.import", cache: "none", body: "json", area: "registry" },
    summary: "Take a document of GET /export in; dryRun tells what would happen",
  },
];

export const registryRoutes: readonly Route[] = [
  ...RESOURCES.flatMap(resourceRoutes),
  ...imports,
  ...transfer,
  rest("gateways", "update", "refresh", "POST", "/{id}/refresh", "Ask the upstream again what it lists"),
  rest("gateways", "update", "refresh", "POST", "/{id}/tools/refresh", "Older name of refresh"),
  pin("list", "GET", "/pins", "Pinned tools: what was approved, and what has come in its place"),
  pin("get", "GET", "/gateways/{id}/pins/{name}", "One tool's pin, with what changed"),
  pin("approve", "POST", "/gateways/{id}/pins/{name}/approve", "Approve the definition that is pending"),
  pin("reject", "POST", "/gateways/{id}/pins/{name}/reject", "Refuse the definition that is pending"),
  pin(
    "policy",
    "PUT",
    "/gateways/{id}/pin-policy",
    "What happens to changed tools of this upstream; null: as everywhere",
  ),
  rest("servers", "read", "tools", "GET", "/{id}/tools", "Tools of a virtual server"),
  rest("servers", "read", "resources", "GET", "/{id}/resources", "Resources of a virtual server"),
  rest("servers", "read", "prompts", "GET", "/{id}/prompts", "Prompts of a virtual server"),
  rest("resources", "read", "info", "GET", "/{id}/info", "Older name of get"),
  rest("resources", "read", "templates", "GET", "/templates/list", "List resource templates"),
];

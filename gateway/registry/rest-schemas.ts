/** What callers may send about REST tools and about imports of OpenAPI documents. */
import * as z from "zod";
import { METHODS } from "../upstreams/index.ts";
import { gatewayPatch, gatewayRead, itemPatch } from "./schemas.ts";

const schema = z.record(z.string(), z.unknown());
const argumentName = z.string().min(1).max(256);
const url = z
  .string()
  .max(2048)
  .regex(/^https?:\/\/[^/?#@\\\s]+(?:[/?][\x21-\x7e]*)?$/i, "has to be an absolute http or https URL without a user");

const credentials = gatewayPatch.pick({
  authType: true,
  authUsername: true,
  authPassword: true,
  authToken: true,
  authHeaderKey: true,
  authHeaderValue: true,
  authHeaders: true,
  authQueryParamKey: true,
  authQueryParamValue: true,
  oauthConfig: true,
});

/** Fields and names as in ContextForge; what has no meaning here is not among them. */
export const toolPatch = z
  .strictObject({
    ...itemPatch.shape,
    name: z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/, "has to be 1 to 128 characters of A-Za-z0-9_.-"),
    title: z.string().max(255).nullable(),
    /** With `{name}` where an argument goes, in the path or as a whole value of the query. */
    url,
    baseUrl: url,
    pathTemplate: z.string().max(2048),
    integrationType: z.literal("REST", "only REST tools can be made; tools of MCP servers come with POST /v1/gateways"),
    requestType: z
      .string()
      .transform((value) => value.toUpperCase())
      .pipe(z.enum(METHODS)),
    headers: z.record(z.string(), z.string().max(8192)).nullable(),
    inputSchema: schema.nullable(),
    outputSchema: schema.nullable(),
    annotations: schema.nullable(),
    /** Argument → name in the query or header; without one, under the argument's own name. */
    queryMapping: z.record(argumentName, z.string().min(1).max(256)).nullable(),
    headerMapping: z.record(argumentName, z.string().min(1).max(256)).nullable(),
    timeoutMs: z.int().min(1).max(3_600_000).nullable(),
  })
  .partial();
export const toolCreate = z
  .strictObject({
    ...toolPatch.shape,
    ...credentials.shape,
    /** A REST upstream; without one, that of the URL's origin, made when there is none. */
    gatewayId: z.string().max(255).nullable().optional(),
  })
  .required({ name: true });
export type ToolPatch = z.infer<typeof toolPatch>;
export type ToolCreate = z.infer<typeof toolCreate>;

const filterList = z.array(z.string().min(1).max(200)).min(1).max(200);
export const importOptions = z
  .strictObject({
    baseUrl: url,
    /** Which of the document's servers, from 0. */
    server: z.int().min(0).max(1000),
    serverVariables: z.record(z.string(), z.string().max(2048)),
    filters: z.strictObject({ tags: filterList, paths: filterList, methods: filterList }).partial(),
    outputSchemas: z.boolean(),
  })
  .partial();
export type ImportOptions = z.infer<typeof importOptions>;

const source = {
  /** JSON or YAML as text, or the document itself. */
  document: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
  url: url.optional(),
};
export const openApiUpdate = z.strictObject({ ...source, ...importOptions.omit({ baseUrl: true }).shape });
export const openApiImport = z.strictObject({
  ...gatewayPatch.omit({
    url: true,
    transport: true,
    era: true,
    command: true,
    args: true,
    env: true,
    cwd: true,
    isolation: true,
  }).shape,
  ...source,
  ...importOptions.shape,
});
export type OpenApiImport = z.infer<typeof openApiImport>;

const change = z.object({
  name: z.string(),
  /** As in the document, `GET /pets/{id}`. */
  operation: z.string(),
  id: z.string().optional(),
  fields: z.array(z.string()).optional(),
  formerName: z.string().optional(),
});
const note = z.object({ at: z.string(), message: z.string() });
/** What an import makes, or would make. */
export const importRead = z.object({
  title: z.string(),
  version: z.string(),
  dialect: z.string(),
  gatewayId: z.string().nullable(),
  name: z.string().nullable(),
  slug: z.string().nullable(),
  baseUrl: z.string().nullable(),
  servers: z.array(z.string()),
  tools: z.array(
    z.object({
      name: z.string(),
      title: z.string().optional(),
      description: z.string().optional(),
      inputSchema: z.unknown(),
      outputSchema: z.unknown().optional(),
      annotations: z.unknown(),
      operation: z.string(),
      tags: z.array(z.string()),
    }),
  ),
  added: z.array(change),
  changed: z.array(change),
  removed: z.array(change),
  unchanged: z.number(),
  keptOut: z.array(change),
  warnings: z.array(note),
  skipped: z.array(note),
  filteredOut: z.number(),
  security: z.object({
    secured: z.number(),
    open: z.number(),
    schemes: z.array(
      z.object({
        name: z.string(),
        kind: z.string(),
        authType: z.string().nullable(),
        hint: z.string(),
        /** Fields of the request that would carry it and are not given. */
        missing: z.array(z.string()),
      }),
    ),
  }),
  gateway: gatewayRead.optional(),
});

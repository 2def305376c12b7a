/** What callers may send about REST tools and about imports of OpenAPI documents. */
import * as z from "zod";
import { METHODS } from "../upstreams/index.ts";
import { gatewayPatch, itemPatch } from "./schemas.ts";

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

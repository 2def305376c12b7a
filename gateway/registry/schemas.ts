/** What callers may send, as zod schemas with camelCase keys; `input.ts` accepts snake_case for each of them. */
import * as z from "zod";
import { isPassable } from "../upstreams/index.ts";

const text = (max: number) => z.string().max(max);
const header = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, "has to be an HTTP header name");
const headerValue = z
  .string()
  .max(8192)
  // RFC 9110 §5.5, without bytes above 127: what reads them is not agreed upon.
  .regex(/^[\t\x20-\x7e]*$/, "may contain printable ASCII only");
/** Headers that frame a message or belong to the protocol; an upstream's credentials cannot be in them. */
const RESERVED = new Set(
  "host connection content-length content-type transfer-encoding te trailer upgrade keep-alive expect mcp-session-id mcp-protocol-version".split(
    " ",
  ),
);
const credentialHeader = header.refine((value) => !RESERVED.has(value.toLowerCase()), "is set by the gateway itself");
/** What of a caller's request may be handed on; his token for this gateway is not among it. */
const passedHeader = header.refine(
  (value) => isPassable(value.toLowerCase()),
  "is never passed on; X-Upstream-Authorization becomes the upstream's Authorization",
);
const name = z.string().trim().min(1).max(255);
const tags = z.array(z.string().trim().min(1).max(100)).max(100);
const visibility = z.enum(["private", "team", "public"]);
const owned = {
  visibility,
  teamId: text(255).nullable(),
  ownerEmail: text(255).nullable(),
  enabled: z.boolean(),
  tags,
  description: text(8192),
};
const url = z
  .string()
  .max(2048)
  .refine((value) => /^https?:\/\//i.test(value) && URL.canParse(value), "has to be an absolute http or https URL")
  .refine(
    (value) => !URL.canParse(value) || (new URL(value).username === "" && new URL(value).password === ""),
    "may not contain a user or password; use authType basic",
  );

/** RFC 6749 §3.3. */
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/, "has to be a scope of OAuth, without spaces");
const authType = z.enum(["none", "basic", "bearer", "authheaders", "oauth", "query_param"]);
const grantType = z.enum(["client_credentials", "authorization_code", "token_exchange"]);
const clientMethod = z.enum(["client_secret_basic", "client_secret_post", "none"]);
const oauthConfig = z
  .strictObject({
    grantType,
    issuer: url,
    authorizationUrl: url,
    tokenUrl: url,
    clientId: text(2048),
    clientSecret: text(8192),
    scopes: z.array(scope).max(100),
    resource: url,
    audience: text(2048),
    tokenEndpointAuthMethod: clientMethod,
  })
  .partial()
  .required({ grantType: true });
const identityPropagation = z
  .strictObject({ enabled: z.boolean(), sign: z.boolean(), audience: text(2048) })
  .partial()
  .required({ enabled: true });
const pem = (kind: string) =>
  z
    .string()
    .max(65_536)
    .regex(new RegExp(`^\\s*-----BEGIN ${kind}-----[\\s\\S]+-----END ${kind}-----\\s*$`), `has to be PEM (${kind})`);

const gatewayFields = z.strictObject({
  ...owned,
  name,
  slug: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "has to be [a-z][a-z0-9-]* of at most 63 characters"),
  url: url.nullable(),
  transport: z.enum(["STREAMABLEHTTP", "SSE", "STDIO", "REST"]),
  era: z.enum(["auto", "legacy", "modern"]),
  requestTimeoutMs: z.int().min(1).max(3_600_000).nullable(),
  passthroughHeaders: z.array(passedHeader).max(50),
  authType,
  oauthConfig,
  authQueryParamKey: z.string().regex(/^[A-Za-z0-9._~-]{1,128}$/, "has to be 1 to 128 characters of A-Za-z0-9._~-"),
  authQueryParamValue: text(8192),
  caCertificate: pem("CERTIFICATE").nullable(),
  clientCert: pem("CERTIFICATE").nullable(),
  clientKey: pem("(?:RSA |EC )?PRIVATE KEY").nullable(),
  identityPropagation: identityPropagation.nullable(),
  authUsername: text(1024),
  authPassword: text(8192),
  authToken: headerValue,
  authHeaderKey: credentialHeader,
  authHeaderValue: headerValue,
  authHeaders: z.array(z.strictObject({ key: credentialHeader, value: headerValue })).max(50),
  command: z.string().min(1).max(4096),
  args: z.array(text(8192)).max(256),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), text(8192)),
  cwd: text(4096).nullable(),
  isolation: z.enum(["session", "shared"]),
});
export const gatewayPatch = gatewayFields.partial();
export const gatewayCreate = gatewayPatch.required({ name: true });
export type GatewayPatch = z.infer<typeof gatewayPatch>;

const references = z.array(z.string().min(1).max(4096)).max(10_000);
const serverFields = z.strictObject({
  ...owned,
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/, "has to be 1 to 64 characters of A-Za-z0-9_-"),
  name,
  icon: text(2048).nullable(),
  prefixMode: z.enum(["conditional", "always", "never"]),
  failureMode: z.enum(["open", "closed"]),
  associatedGateways: references,
  associatedTools: references,
  associatedResources: references,
  associatedPrompts: references,
});
export const serverPatch = serverFields.omit({ id: true }).partial();
export const serverCreate = serverFields.partial().required({ name: true });
export type ServerPatch = z.infer<typeof serverPatch>;

const itemFields = {
  displayName: text(255).nullable(),
  description: text(8192).nullable(),
  customName: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,128}$/, "has to be 1 to 128 characters of A-Za-z0-9_.-")
    .nullable(),
  tags,
  visibility,
  teamId: text(255).nullable(),
  ownerEmail: text(255).nullable(),
  enabled: z.boolean(),
};
export const itemPatch = z.strictObject(itemFields).partial();

const encoding = z.enum(["text", "base64"]);
export const resourcePatch = z
  .strictObject({
    ...itemFields,
    uri: z.string().min(1).max(2048),
    /** RFC 6570 level 1; its variables are filled into the content. */
    uriTemplate: z.string().min(1).max(2048).nullable(),
    name,
    title: text(255).nullable(),
    mimeType: z
      .string()
      .regex(/^[\w.+-]{1,127}\/[\w.+-]{1,127}(;[\x20-\x7e]{1,255})?$/, "has to be a media type such as text/plain")
      .nullable(),
    /** At most 1 MiB, as text or decoded. */
    content: text(1_500_000),
    contentEncoding: encoding,
  })
  .partial();
export const resourceCreate = resourcePatch.required({ name: true, content: true });
export type ResourcePatch = z.infer<typeof resourcePatch>;

const legalName = z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/, "has to be 1 to 128 characters of A-Za-z0-9_.-");
const argument = z.strictObject({
  name: legalName,
  description: text(8192).nullable().optional(),
  required: z.boolean().nullable().optional(),
});
export const promptPatch = z
  .strictObject({
    ...itemFields,
    name: legalName,
    title: text(255).nullable(),
    /** With `{{ name }}` where an argument goes; at most 64 KiB. */
    template: text(65_536),
    arguments: z.array(argument).max(50),
  })
  .partial();
export const promptCreate = promptPatch.required({ name: true, template: true });
export type PromptPatch = z.infer<typeof promptPatch>;

const time = z.string();
const readOwned = { ...owned, id: z.string(), createdAt: time, updatedAt: time };

export const gatewayRead = z.object({
  ...readOwned,
  name: z.string(),
  slug: z.string(),
  url: z.string().nullable(),
  transport: z.enum(["STREAMABLEHTTP", "SSE", "STDIO", "REST", "BUILTIN"]),
  era: z.enum(["auto", "legacy", "modern"]),
  requestTimeoutMs: z.number().nullable(),
  passthroughHeaders: z.array(z.string()),
  authType,
  authConfigured: z.boolean(),
  /** Without its secrets. */
  oauthConfig: oauthConfig.omit({ clientSecret: true }).nullable(),
  authQueryParamKey: z.string().nullable(),
  caCertificate: z.string().nullable(),
  clientCert: z.string().nullable(),
  identityPropagation: identityPropagation.nullable(),
  command: z.string().nullable(),
  args: z.array(z.string()),
  /** Names only: values are credentials more often than not. */
  envNames: z.array(z.string()),
  cwd: z.string().nullable(),
  isolation: z.enum(["session", "shared"]).nullable(),
  /** Of the worker that answers: open while it leaves the upstream alone, because it could not be reached. */
  circuit: z.enum(["closed", "open", "half-open"]),
  reachable: z.boolean(),
  lastError: z.string().nullable(),
  lastSeen: time.nullable(),
  lastRefreshAt: time.nullable(),
  capabilities: z.unknown(),
  instructions: z.string().nullable(),
  source: z.enum(["api", "config", "builtin"]),
});
export const serverRead = z.object({
  ...readOwned,
  name: z.string(),
  icon: z.string().nullable(),
  prefixMode: z.enum(["conditional", "always", "never"]),
  failureMode: z.enum(["open", "closed"]),
  associatedGateways: z.array(z.string()),
  associatedTools: z.array(z.string()),
  associatedResources: z.array(z.string()),
  associatedPrompts: z.array(z.string()),
});
export const itemRead = z.object({
  ...readOwned,
  /** Custom name, or as the upstream calls it. */
  name: z.string(),
  originalName: z.string(),
  customName: z.string().nullable(),
  displayName: z.string().nullable(),
  description: z.string().nullable(),
  gatewayId: z.string(),
  gatewaySlug: z.string(),
  reachable: z.boolean(),
  title: z.string().optional(),
  inputSchema: z.unknown().optional(),
  outputSchema: z.unknown().optional(),
  annotations: z.unknown().optional(),
  arguments: z.unknown().optional(),
  uri: z.string().optional(),
  uriTemplate: z.string().optional(),
  mimeType: z.string().optional(),
  size: z.number().optional(),
  /** Of a single item that the gateway hosts itself; lists leave them out. */
  content: z.string().optional(),
  contentEncoding: encoding.optional(),
  template: z.string().optional(),
});
export const problem = z.object({
  path: z.string(),
  value: z.unknown().optional(),
  allowed: z.string(),
});
export const errorRead = z.object({
  jsonrpc: z.literal("2.0"),
  id: z.null(),
  error: z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() }),
});

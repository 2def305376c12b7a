/** What a gateway's row holds of credentials beyond fixed headers: the public part as JSON, and its form when it is read back. */
import * as z from "zod";

const oauth = z.object({
  grantType: z.enum(["client_credentials", "authorization_code", "token_exchange"]),
  /** Of the authorization server (RFC 8414); found out by way of the upstream when absent (RFC 9728). */
  issuer: z.string().optional(),
  authorizationUrl: z.string().optional(),
  tokenUrl: z.string().optional(),
  /** Registered by itself (RFC 7591) when absent. */
  clientId: z.string().optional(),
  scopes: z.array(z.string()),
  /** RFC 8707; the upstream's URL when absent. */
  resource: z.string().optional(),
  audience: z.string().optional(),
  tokenEndpointAuthMethod: z.enum(["client_secret_basic", "client_secret_post", "none"]).optional(),
});
const identity = z.object({
  enabled: z.boolean(),
  sign: z.boolean().optional(),
  /** A signed assertion for this audience goes along. */
  audience: z.string().optional(),
});
const outbound = z.object({
  oauth: oauth.optional(),
  /** PEM. */
  caCertificate: z.string().optional(),
  clientCertificate: z.string().optional(),
  identity: identity.optional(),
});
const secrets = z.object({
  clientSecret: z.string().optional(),
  /** PEM, of the client certificate. */
  clientKey: z.string().optional(),
  queryName: z.string().optional(),
  queryValue: z.string().optional(),
});

/** Undefined members stand for absent ones, as zod reads them. */
export type UpstreamOAuth = z.infer<typeof oauth>;
export type IdentityPropagation = z.infer<typeof identity>;
export type Outbound = z.infer<typeof outbound>;
/** Never shown, sealed at rest. */
export type OutboundSecrets = z.infer<typeof secrets>;

export const outboundSecrets = secrets;
export const outboundShape = outbound;

export function parseOutbound(text: string): Outbound {
  return outbound.parse(JSON.parse(text));
}

/** Settings of how callers prove who they are: keys of tokens, issuers that are trusted, certificates, single sign-on. */
import { seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

/** Signatures that are known: RFC 7518 §3.1 and RFC 8037, without `none`. */
export const JWT_ALGORITHMS = [
  "HS256",
  "HS384",
  "HS512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

const own = {
  JWT_ALGORITHM: {
    type: "enum",
    default: "HS256",
    allowed: JWT_ALGORITHMS,
    room: "auth",
    description:
      "Signature of the gateway's own tokens. HS* take JWT_SECRET_KEY, the others JWT_PRIVATE_KEY_PATH or JWT_PUBLIC_KEY_PATH.",
  },
  JWT_PRIVATE_KEY_PATH: {
    type: "path",
    default: null,
    computed: "none",
    room: "auth",
    description: "PEM file with the private key that signs tokens; for an asymmetric JWT_ALGORITHM.",
  },
  JWT_PUBLIC_KEY_PATH: {
    type: "path",
    default: null,
    computed: "of JWT_PRIVATE_KEY_PATH",
    room: "auth",
    description:
      "PEM file with the public keys whose tokens are accepted, several one after the other while keys are exchanged.",
  },
  JWT_AUDIENCE: {
    type: "string",
    default: "mcpgateway-api",
    room: "auth",
    description: "`aud` that the gateway's own tokens must name.",
  },
  JWT_ISSUER: {
    type: "string",
    default: "mcpgateway",
    room: "auth",
    description: "`iss` that the gateway's own tokens must name.",
  },
  JWT_AUDIENCE_VERIFICATION: {
    type: "boolean",
    default: true,
    room: "auth",
    description: "Refuse own tokens of another audience. Tokens of other issuers are always asked for theirs.",
  },
  JWT_ISSUER_VERIFICATION: {
    type: "boolean",
    default: true,
    room: "auth",
    description: "Refuse tokens signed with the own key that name another issuer.",
  },
  JWT_CLOCK_SKEW: {
    ...seconds(0, 300),
    default: 30,
    room: "auth",
    description: "How far the clock of whoever made a token may be off.",
  },
  REQUIRE_TOKEN_EXPIRATION: {
    type: "boolean",
    default: false,
    room: "auth",
    description: "Refuse own tokens that never expire. Tokens of other issuers always have to.",
  },
  REQUIRE_JTI: {
    type: "boolean",
    default: true,
    room: "auth",
    description: "Refuse own tokens without `jti`: one token of a caller could not be revoked alone.",
  },
} as const satisfies Record<string, SettingDeclaration>;

const others = {
  SSO_ISSUERS: {
    type: "list",
    default: [],
    room: "auth",
    description:
      "Authorization servers whose access tokens are accepted, by the URL that stands in `iss`; their keys are found by discovery.",
  },
  SSO_TRUSTED_DOMAINS: {
    type: "list",
    default: [],
    room: "auth",
    description: "Domains of email addresses that other issuers may speak for; empty: any.",
  },
  TOKEN_ISSUERS_FILE: {
    type: "path",
    default: null,
    computed: "none",
    room: "auth",
    description:
      "JSON or YAML file with a list of such servers, each with its own audience, key set, claims and administrators.",
  },
  TOKEN_AUDIENCES: {
    type: "list",
    default: [],
    room: "auth",
    description:
      "`aud` that opens everything, besides APP_DOMAIN and the addresses of MCP endpoints, for tokens of other issuers.",
  },
  TOKEN_SCOPES: {
    type: "enum",
    default: "narrow",
    allowed: ["narrow", "require", "ignore"],
    room: "auth",
    description:
      "What `scope` in tokens of other issuers does: `narrow` to the permissions it names if it names any, `require` that it names each, or nothing.",
  },
  JWKS_CACHE_TTL: {
    ...seconds(1, 86400),
    default: 600,
    room: "auth",
    description:
      "How long a key set of another issuer is believed: a key that was taken out is trusted no longer than this.",
  },
  JWKS_COOLDOWN: {
    ...seconds(1, 3600),
    default: 30,
    room: "auth",
    description: "Shortest time between two questions for a key set, whatever keys the tokens name.",
  },
  JWKS_STALE_TTL: {
    ...seconds(0, 604800),
    default: 3600,
    room: "auth",
    description: "How much longer a key set is believed when its server does not answer.",
  },
  AUTH_REVOCATION_FAIL: {
    type: "enum",
    default: "closed",
    allowed: ["closed", "stale"],
    room: "auth",
    description:
      "When what is known of a caller cannot be read: `closed` answers 503, `stale` goes on with what was known for AUTH_REVOCATION_STALE.",
  },
  AUTH_REVOCATION_STALE: {
    ...seconds(1, 86400),
    default: 300,
    room: "auth",
    description: "How long beyond AUTH_CACHE_TTL a caller is believed with AUTH_REVOCATION_FAIL=stale.",
  },
  APP_DOMAIN: {
    type: "url",
    default: null,
    computed: "the Host header, where ALLOWED_HOSTS names all hosts",
    schemes: ["http", "https"],
    room: "auth",
    description:
      "Address under which clients reach the gateway, with URL_PATH_PREFIX where there is one: in its OAuth metadata and in redirects.",
  },
  TLS_CLIENT_IDENTITY: {
    type: "enum",
    default: "auto",
    allowed: ["auto", "uri", "email", "dns", "cn"],
    room: "auth",
    description:
      "The name in a client certificate that says who the caller is; `auto` takes the first of them that it has, in this order.",
  },
} as const satisfies Record<string, SettingDeclaration>;

export const identitySettings = { ...own, ...others } as const satisfies Record<string, SettingDeclaration>;

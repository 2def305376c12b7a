/** Settings of what the gateway tells upstreams of its callers, with which credentials it goes there, and where it may go at all. */
import { seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

export const credentialSettings = {
  ENABLE_HEADER_PASSTHROUGH: {
    type: "boolean",
    default: false,
    room: "upstreams",
    description: "Pass headers of the caller's request on to upstreams, those of an allow-list.",
  },
  DEFAULT_PASSTHROUGH_HEADERS: {
    type: "list",
    default: [],
    room: "upstreams",
    description:
      "Headers that are passed to upstreams with no list of their own. The caller's Authorization never is; X-Upstream-Authorization, where listed, arrives as Authorization.",
  },
  PASSTHROUGH_HEADERS_SOURCE: {
    type: "enum",
    default: "db",
    allowed: ["env", "db", "merge"],
    room: "upstreams",
    description:
      "`env`: DEFAULT_PASSTHROUGH_HEADERS alone. `db`: an upstream's own list, where it has one. `merge`: both.",
  },
  ENABLE_OVERWRITE_BASE_HEADERS: {
    type: "boolean",
    default: false,
    room: "upstreams",
    description: "A header that is passed on replaces one that the upstream is configured with.",
  },
  ENABLE_SENSITIVE_HEADER_PASSTHROUGH: {
    type: "boolean",
    default: false,
    room: "upstreams",
    description: "Headers that usually carry credentials (X-API-Key and the like) are passed on where they are listed.",
  },
  IDENTITY_PROPAGATION_ENABLED: {
    type: "boolean",
    default: false,
    room: "upstreams",
    description: "Tell upstreams who calls, unless one says that it shall not be told.",
  },
  IDENTITY_PROPAGATION_HEADERS_PREFIX: {
    type: "string",
    default: "X-Forwarded-User",
    pattern: "^[A-Za-z][A-Za-z0-9-]{0,63}$",
    room: "upstreams",
    description:
      "What the names of those headers begin with: `<prefix>-Id`, `-Teams`, `-Admin`, `-Signature`, `-Assertion`.",
  },
  IDENTITY_SIGN_CLAIMS: {
    type: "boolean",
    default: false,
    room: "upstreams",
    description: "Sign these headers with IDENTITY_CLAIMS_SECRET, so that an upstream can tell them from forged ones.",
  },
  IDENTITY_CLAIMS_SECRET: {
    type: "secret",
    default: null,
    computed: "none: nothing is signed, and nothing is asserted",
    secret: true,
    min: 32,
    room: "upstreams",
    description:
      "Key of signatures and assertions towards upstreams, at least 32 bytes. Upstreams know it: never the key of tokens for this gateway.",
  },
  OAUTH_REQUEST_TIMEOUT: {
    ...seconds(0.5, 600),
    default: 30,
    room: "upstreams",
    description: "Longest exchange with an authorization server of an upstream.",
  },
  OAUTH_DISCOVERY_ENABLED: {
    type: "boolean",
    default: true,
    room: "upstreams",
    description:
      "Ask upstreams which authorization server they believe (RFC 9728), and that for its endpoints (RFC 8414).",
  },
  DCR_ENABLED: {
    type: "boolean",
    default: true,
    room: "upstreams",
    description: "Register the gateway as a client (RFC 7591) where an upstream has no clientId.",
  },
  DCR_ALLOWED_ISSUERS: {
    type: "list",
    default: [],
    room: "upstreams",
    description: "Issuers at which the gateway registers itself; any when empty.",
  },
  DCR_CLIENT_NAME_TEMPLATE: {
    type: "string",
    default: "mcp-stack ({gateway_name})",
    min: 1,
    max: 200,
    room: "upstreams",
    description: "What users of the authorization server see of the gateway; `{gateway_name}` is the upstream.",
  },
  DCR_DEFAULT_SCOPES: {
    type: "list",
    default: ["mcp:read"],
    room: "upstreams",
    description:
      "Scopes to ask for where neither the upstream nor its configuration names any and its server knows them.",
  },
  DCR_TOKEN_ENDPOINT_AUTH_METHOD: {
    type: "enum",
    default: "client_secret_basic",
    allowed: ["client_secret_basic", "client_secret_post", "none"],
    room: "upstreams",
    description: "How the gateway shows who it is to authorization servers, unless an upstream says otherwise.",
  },
  DCR_METADATA_CACHE_TTL: {
    ...seconds(1, 86400),
    default: 3600,
    room: "upstreams",
    description: "How long what an authorization server says of itself is believed.",
  },
  INSECURE_ALLOW_QUERYPARAM_AUTH: {
    type: "boolean",
    default: false,
    room: "registry",
    description: "Upstreams may be given a credential in their URL's query, where proxies and logs see it.",
  },
  INSECURE_QUERYPARAM_AUTH_ALLOWED_HOSTS: {
    type: "list",
    default: [],
    room: "registry",
    description: "Hosts for which that is allowed; any when empty.",
  },
  SSRF_PROTECTION_ENABLED: {
    type: "boolean",
    default: true,
    room: "upstreams",
    description:
      "Check every address that users can set (upstreams, OAuth endpoints, REST tools) each time a connection is opened.",
  },
  SSRF_BLOCKED_NETWORKS: {
    type: "list",
    default: [
      "169.254.169.254/32",
      "169.254.169.123/32",
      "fd00::1/128",
      "169.254.0.0/16",
      "fe80::/10",
      "100.64.0.0/10",
    ],
    room: "upstreams",
    description: "Networks that nobody reaches, whatever else allows them, declared upstreams included.",
  },
  SSRF_BLOCKED_HOSTS: {
    type: "list",
    default: ["metadata.google.internal", "metadata.internal"],
    room: "upstreams",
    description: "Host names that nobody reaches; letter case and a dot at the end do not matter.",
  },
  SSRF_ALLOW_LOCALHOST: {
    type: "boolean",
    default: null,
    computed: "true while HOST is a loopback address, else false",
    room: "upstreams",
    description: "Users may set addresses of this machine itself.",
  },
  SSRF_ALLOW_PRIVATE_NETWORKS: {
    type: "boolean",
    default: null,
    computed: "true while HOST is a loopback address, else false",
    room: "upstreams",
    description: "Users may set private addresses (RFC 1918, RFC 4193).",
  },
  SSRF_ALLOWED_NETWORKS: {
    type: "list",
    default: [],
    room: "upstreams",
    description:
      "Networks that users may reach although they are private or of this machine, for example `10.0.0.0/8`.",
  },
  SSRF_DNS_FAIL_CLOSED: {
    type: "boolean",
    default: true,
    room: "upstreams",
    description:
      "Refuse to store an address whose name cannot be resolved. Without it, it is stored; a connection is checked all the same.",
  },
} as const satisfies Record<string, SettingDeclaration>;

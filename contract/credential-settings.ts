/** Settings of what the gateway tells upstreams of its callers, with which credentials it goes there, and where it may go at all. */
import type { SettingDeclaration } from "./setting-declaration.ts";

export const credentialSettings = {
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

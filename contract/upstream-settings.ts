/** Settings of the servers behind the gateway: names, time and room for each. */
import { count, seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

const MIB = 1024 * 1024;

export const upstreamSettings = {
  GATEWAY_TOOL_NAME_SEPARATOR: {
    type: "string",
    default: "__",
    pattern: "^(?:[-_.]|__|--|\\.\\.)$",
    room: "federation",
    description:
      "Between an upstream's slug and the name of its tool or prompt: one of `__`, `_`, `-`, `--`, `.`, `..`.",
  },
  TOOL_TIMEOUT: {
    ...seconds(0.1, 86400),
    default: 60,
    room: "federation",
    description: "Longest time from sending a call to its result; it stands still while the client is asked something.",
  },
  LIST_TIMEOUT: {
    ...seconds(0.1, 600),
    default: 10,
    room: "federation",
    description: "Longest time a merged list waits for one upstream; the others are never held up longer.",
  },
  UPSTREAM_CONNECT_TIMEOUT: {
    ...seconds(0.1, 600),
    default: 5,
    aliases: ["HTTPX_CONNECT_TIMEOUT", "HTTP_CLIENT_CONNECT_TIMEOUT"],
    room: "upstreams",
    description: "Longest time to open a connection to an upstream.",
  },
  UPSTREAM_KEEP_ALIVE_TIMEOUT: {
    ...seconds(0.1, 3600),
    default: 4,
    aliases: ["HTTPX_KEEPALIVE_EXPIRY", "HTTP_CLIENT_KEEPALIVE_EXPIRY"],
    room: "upstreams",
    description:
      "How long an idle connection to an upstream stays open; shorter than upstreams keep it (Node 5 s), so that the gateway closes first.",
  },
  UPSTREAM_IDLE_CONNECTIONS: {
    ...count("connections", 0, 65535),
    default: 1000,
    aliases: ["HTTPX_MAX_KEEPALIVE_CONNECTIONS", "HTTP_CLIENT_MAX_KEEPALIVE_CONNECTIONS"],
    room: "upstreams",
    description: "Idle connections that one worker keeps, to all upstreams together; those over TLS are not counted.",
  },
  UPSTREAM_MAX_MESSAGE_BYTES: {
    type: "bytes",
    default: 16 * MIB,
    unit: "bytes",
    min: 1024,
    max: 1024 * MIB,
    room: "upstreams",
    description: "Largest single message an upstream may send.",
  },
  UPSTREAM_CONNECTIONS: {
    ...count("connections", 1, 65535),
    default: 128,
    room: "upstreams",
    description: "Concurrent calls per upstream origin; open streams have connections of their own.",
  },
  UPSTREAM_POOL_TIMEOUT: {
    ...seconds(0, 600),
    default: 10,
    aliases: ["HTTPX_POOL_TIMEOUT", "HTTP_CLIENT_POOL_TIMEOUT"],
    room: "upstreams",
    description:
      "How long a call may wait for one of UPSTREAM_CONNECTIONS; what finds none is refused, not sent late. 0 = as long as TOOL_TIMEOUT.",
  },
  STDIO_MAX_CHILDREN: {
    ...count("processes", 1, 10000),
    default: 64,
    room: "upstreams",
    description: "stdio servers that may run at once.",
  },
  STDIO_IDLE_TIMEOUT: {
    ...seconds(1, 86400),
    default: 300,
    room: "upstreams",
    description: "A stdio server without a session or call ends after this time.",
  },
  MCP_CONFIG: {
    type: "path",
    default: null,
    computed: "none",
    room: "main",
    description: "Declarative upstreams: a file in the `mcpServers` form of MCP clients, read again when it changes.",
  },
  PROCESSES_FILE: {
    type: "path",
    default: null,
    computed: "processes.yaml, .yml or .json of the working directory",
    room: "settings",
    description: "Named processes, each with a server and its arguments: what `mcp-stack serve <name>` looks up.",
  },
  MCP_EXAMPLE_SERVER: {
    type: "boolean",
    default: null,
    computed: "true with --first-run, else false",
    room: "main",
    description: "Register the example server that comes with the gateway.",
  },
} as const satisfies Record<string, SettingDeclaration>;

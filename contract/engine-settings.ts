/**
 * Settings of the HTTP engine: where it listens, what it reads and how long it waits. What the sources configure at their servers says
 * here what it does at each of ours; the reference page and the tests of the knobs come from it.
 */
import { count, seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

const MIB = 1024 * 1024;
/** The most bytes of a request's head; a buffer of a connection holds one and at least the smallest body that may be set. */
export const MAX_HEAD_BYTES = 32 * 1024;

export const engineSettings = {
  // where it listens
  HOST: {
    type: "string",
    default: "127.0.0.1",
    perProcess: true,
    room: "engine",
    description: "Address to listen on; `0.0.0.0` or `::` for all.",
    knob: { engines: "both", effect: "The address of the listening socket.", keys: ["address", "host"] },
  },
  PORT: {
    type: "integer",
    default: 4444,
    min: 0,
    max: 65535,
    perProcess: true,
    room: "engine",
    description: "Port to listen on; 0 takes a free one.",
    knob: { engines: "both", effect: "The port of the listening socket.", keys: ["port"] },
  },
  HTTP_SERVER: {
    type: "enum",
    default: "fastify",
    allowed: ["fastify", "bounded"],
    synonyms: { gunicorn: "fastify", granian: "bounded" },
    room: "engine",
    description:
      "The HTTP engine: `fastify` for familiar tools and steady traffic, `bounded` for bursts and the most per core. `gunicorn` and `granian` mean the same two.",
    knob: { engines: "both", effect: "`/version` names the engine." },
  },
  ALLOWED_HOSTS: {
    type: "list",
    default: [],
    room: "transports",
    description:
      "Host names (without port) under which clients may address the gateway, besides loopback names; `*` allows any.",
  },
  ALLOWED_ORIGINS: {
    type: "list",
    default: [],
    room: "transports",
    description:
      "Origins (`scheme://host[:port]`) of browser pages that may call, besides loopback origins; `*` allows any.",
  },
  MAX_BODY_BYTES: {
    type: "bytes",
    default: 4 * MIB,
    unit: "bytes",
    min: 1024,
    max: 1024 * MIB,
    room: "engine",
    description:
      "Largest request body. 4 MiB carries a 3 MB file in base64, and a thousand of them at once still fit into a few GiB.",
  },
  HEAD_TIMEOUT: {
    ...seconds(0.1, 600),
    default: 10,
    room: "engine",
    description: "Longest time for the head of a request to arrive.",
  },
  BODY_TIMEOUT: {
    ...seconds(0.1, 3600),
    default: 60,
    room: "engine",
    description: "Longest time for a whole request to arrive.",
  },
  KEEP_ALIVE_TIMEOUT: {
    ...seconds(1, 3600),
    default: 75,
    room: "engine",
    description:
      "How long an idle client connection stays open; longer than the proxy in front keeps it, so that the proxy closes first.",
    aliases: ["GUNICORN_KEEP_ALIVE"],
    knob: {
      engines: "both",
      effect: "An idle connection is closed this long after its last answer.",
      keys: ["keep-alive", "keepalive", "timeout-keep-alive"],
    },
  },
  BACKLOG: {
    ...count("connections", 1, 65535),
    default: 2048,
    aliases: ["GUNICORN_BACKLOG", "GRANIAN_BACKLOG"],
    room: "engine",
    description: "Connections the kernel queues before they are accepted, for each listener.",
    knob: {
      engines: "both",
      effect: "The queue of the listening socket; above net.core.somaxconn there is a warning.",
      keys: ["backlog"],
    },
  },
  HTTP_VERSIONS: {
    type: "enum",
    default: "auto",
    allowed: ["auto", "1", "2"],
    aliases: ["GRANIAN_HTTP"],
    room: "engine",
    description:
      "Versions of HTTP that are spoken: both (by ALPN with TLS, by the preface without), 1.1 alone or 2 alone.",
    knob: {
      engines: "both",
      effect: "What ALPN offers, and whether a connection of the other version is closed.",
      keys: ["http"],
    },
  },
  HTTP1_BUFFER_SIZE: {
    type: "bytes",
    default: null,
    computed: "MAX_BODY_BYTES and 32 KiB for the head",
    unit: "bytes",
    min: MAX_HEAD_BYTES + 1024,
    max: 1024 * MIB + MAX_HEAD_BYTES,
    aliases: ["GRANIAN_HTTP1_BUFFER_SIZE"],
    room: "engine",
    description: "Head and body that are held for one HTTP/1.1 connection; a request that needs more is refused.",
    knob: { engines: "both", effect: "A larger request is answered with 413.", keys: ["http1-buffer-size"] },
  },
  HTTP1_PIPELINE_FLUSH: {
    type: "boolean",
    default: true,
    aliases: ["GRANIAN_HTTP1_PIPELINE_FLUSH"],
    room: "engine",
    description: "Answers to pipelined requests leave in one write.",
    knob: {
      engines: "bounded",
      effect: "Fewer segments for requests that came in one.",
      keys: ["http1-pipeline-flush"],
    },
  },
  WEBSOCKETS: {
    type: "boolean",
    default: true,
    aliases: ["GRANIAN_WEBSOCKETS"],
    room: "engine",
    description: "Offer MCP over WebSocket.",
    knob: { engines: "both", effect: "With false, an upgrade is refused.", keys: ["websockets"] },
  },
  URL_PATH_PREFIX: {
    type: "string",
    default: "",
    pattern: "^(?:/[A-Za-z0-9._~-]+)+$",
    max: 256,
    aliases: ["GRANIAN_URL_PATH_PREFIX"],
    room: "engine",
    description: "The path under which the gateway is reached, such as `/gateway`; requests outside it are not found.",
    knob: {
      engines: "both",
      effect: "`/version` is found under it and nowhere else; probes also without it.",
      keys: ["url-path-prefix"],
    },
  },
  // TLS
  TLS_CERT_FILE: {
    type: "path",
    default: null,
    computed: "none: without TLS",
    aliases: ["GRANIAN_SSL_CERTIFICATE"],
    room: "engine",
    description:
      "PEM file of the certificate and those between it and its authority; with TLS_KEY_FILE. Read again when it changes.",
    knob: {
      engines: "both",
      effect: "TLS is spoken, with this certificate.",
      keys: ["ssl-cert", "ssl-certificate", "ssl-certfile", "certfile"],
    },
  },
  TLS_KEY_FILE: {
    type: "path",
    default: null,
    computed: "none: without TLS",
    aliases: ["GRANIAN_SSL_KEYFILE"],
    room: "engine",
    description: "PEM file of the certificate's private key. Read again when it changes.",
    knob: {
      engines: "both",
      effect: "TLS is spoken, with this key.",
      keys: ["ssl-key", "ssl-keyfile", "keyfile"],
    },
  },
  TLS_CLIENT_CA_FILE: {
    type: "path",
    default: null,
    computed: "none",
    aliases: ["GRANIAN_SSL_CA"],
    room: "engine",
    description: "PEM file of the authorities that sign the certificates of clients; for TLS_CLIENT_CERTIFICATE.",
    knob: {
      engines: "both",
      effect: "A client certificate of another authority is refused.",
      keys: ["ssl-ca", "ssl-ca-certs", "ca-certs"],
    },
  },
  TLS_CLIENT_CERTIFICATE: {
    type: "enum",
    default: "none",
    allowed: ["none", "optional", "required"],
    room: "engine",
    description:
      "Whether a client proves itself by a certificate: `optional` takes those that have one, `required` refuses a connection without.",
    knob: {
      engines: "both",
      effect: "With `required`, a handshake without a certificate fails.",
    },
  },
} as const satisfies Record<string, SettingDeclaration>;

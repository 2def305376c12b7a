/** Settings of REST endpoints and OpenAPI documents as tools. */
import { count, seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

const MIB = 1024 * 1024;

export const restSettings = {
  REST_RESPONSE_TEXT_MAX_LENGTH: {
    ...count("characters", 1000, 100_000),
    default: 5000,
    room: "upstreams",
    description:
      "What a REST upstream answers that is no JSON, and of its error answers, is cut after so many characters.",
  },
  MCPGATEWAY_BULK_IMPORT_ENABLED: {
    type: "boolean",
    default: true,
    room: "registry",
    description: "Whether OpenAPI documents and exported registries can be imported.",
  },
  OPENAPI_MAX_BYTES: {
    type: "bytes",
    default: 16 * MIB,
    unit: "bytes",
    min: 1024,
    max: 256 * MIB,
    room: "registry",
    description: "Largest OpenAPI document that is read, uploaded (also MAX_BODY_BYTES) or from a URL.",
  },
  OPENAPI_MAX_TOOLS: {
    ...count("tools", 1, 20_000),
    default: 2000,
    room: "registry",
    description: "Most tools that one import of an OpenAPI document makes; larger documents need a filter.",
  },
  OPENAPI_FETCH_TIMEOUT: {
    ...seconds(1, 600),
    default: 30,
    room: "registry",
    description: "Longest time to fetch an OpenAPI document from its URL.",
  },
} as const satisfies Record<string, SettingDeclaration>;

/** Settings of caches: where what one process has loaded waits for the others, and how much is kept for how long. */
import { count, seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

export const cacheSettings = {
  CACHE_TYPE: {
    type: "enum",
    default: null,
    computed: "redis where REDIS_URL is set, else memory",
    allowed: ["memory", "redis", "database", "none"],
    room: "cache",
    description:
      "Where what one process has loaded waits for the others: in Redis, in the database, or nowhere (memory). Each process keeps entries of its own besides; none keeps nothing at all.",
  },
  REDIS_OPERATION_TIMEOUT: {
    ...seconds(0.001, 60),
    default: 0.5,
    room: "cache",
    description: "A cache that has not heard by then whether another process has an entry loads it itself.",
  },
  REGISTRY_CACHE_ENABLED: {
    type: "boolean",
    default: true,
    room: "federation",
    description: "Keep lists of upstreams as long as these allow it; false asks them for every list.",
  },
  REGISTRY_CACHE_TOOLS_TTL: {
    ...seconds(0, 86400),
    default: 20,
    room: "federation",
    description:
      "Longest time for which a tools list of an upstream is kept; the upstream's own ttlMs counts where it is shorter.",
  },
  REGISTRY_CACHE_PROMPTS_TTL: {
    ...seconds(0, 86400),
    default: 15,
    room: "federation",
    description: "The same for lists of prompts.",
  },
  REGISTRY_CACHE_RESOURCES_TTL: {
    ...seconds(0, 86400),
    default: 15,
    room: "federation",
    description: "The same for lists of resources and of resource templates.",
  },
  LIST_CACHE_SIZE: {
    ...count("pages", 0, 1000000),
    default: 2000,
    room: "federation",
    description: "Pages of upstreams' lists that one process keeps; 0 keeps none.",
  },
  RESOURCE_CACHE_SIZE: {
    ...count("resources", 0, 1000000),
    default: 1000,
    room: "federation",
    description: "Resources that one process keeps as upstreams allow it; 0 keeps none.",
  },
  RESOURCE_CACHE_TTL: {
    ...seconds(0, 86400),
    default: 3600,
    room: "federation",
    description: "Longest time for which a resource is kept; the upstream's own ttlMs counts where it is shorter.",
  },
  RESPONSE_CACHE_BYTES: {
    type: "bytes",
    default: 67108864,
    unit: "bytes",
    min: 0,
    max: 17179869184,
    room: "federation",
    description: "What kept lists, and kept resources, may weigh in one process, each of both.",
  },
} as const satisfies Record<string, SettingDeclaration>;

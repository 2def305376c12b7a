export * from "./cache.ts";
export * from "./caches.ts";
export { type Invalidations, invalidationsOf } from "./invalidations.ts";
export * from "./types.ts";

export * from "./cache.ts";
export { type Invalidations, invalidationsOf } from "./invalidations.ts";
export * from "./types.ts";

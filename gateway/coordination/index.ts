export { type Bucket, type BucketLevel, type Taken, takeFrom } from "./buckets.ts";
export * from "./lease.ts";
export * from "./memory.ts";
export * from "./observed.ts";
export * from "./open.ts";
export * from "./postgres.ts";
export * from "./presence.ts";
export * from "./redis.ts";
export * from "./types.ts";

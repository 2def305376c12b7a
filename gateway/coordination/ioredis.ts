/** ioredis, loaded by the first who connects: a gateway without a Redis should not wait for it at its start. */
import { createRequire } from "node:module";
import type * as IoRedis from "ioredis";
import { lazily } from "../../contract/lazily.ts";

export const ioredis = lazily((): typeof IoRedis => createRequire(import.meta.url)("ioredis"));

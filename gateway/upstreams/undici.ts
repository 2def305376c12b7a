/** undici, loaded by the first who needs it: upstreams over plain sockets are spoken to without it, and it is a sixth of what a start would load. */
import { createRequire } from "node:module";
import type * as Undici from "undici";
import { lazily } from "../../contract/lazily.ts";

export const undici = lazily((): typeof Undici => createRequire(import.meta.url)("undici"));

/** The door of the admin room: figures of calls, the audit trail, the security log, log lines. */
export { type AdminSubject, createAdmin } from "./admin.ts";
export { type PoolParts, poolSubject } from "./pool.ts";
export type * from "./types.ts";
export { type Head, readTrail, type Verdict, verifyChains } from "./verify.ts";
export { verifyWrittenOut, writtenOut } from "./written-out.ts";

/** What changes more than a value in Redis, as scripts of one key each: a write and its time to live are one step on any kind of Redis. */
import type { Cluster, Redis } from "ioredis";
import { TAKE } from "./buckets.ts";
import type { LogSlice } from "./types.ts";

// ARGV: field, value, ttl, ifAbsent. Answers the field's value after the call.
const MAP_SET = `
if ARGV[4] == '1' then redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('HGET', KEYS[1], ARGV[1])`;

// A log is a stream whose ids are <sequence>-0. ARGV: sequence or 0, cap, ttl, entry.
const APPEND = `
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local newest = 0
if last[1] then newest = tonumber(string.match(last[1][1], '^%d+')) end
local sequence = tonumber(ARGV[1])
if sequence == 0 then sequence = newest + 1 elseif sequence <= newest then return sequence end
redis.call('XADD', KEYS[1], string.format('%d-0', sequence), 'e', ARGV[4])
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%d-0', math.max(1, sequence - tonumber(ARGV[2]) + 1)))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return sequence`;

// ARGV: after. Answers the oldest id or false, and the entries above.
const READ_AFTER = `
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if not first[1] then return {} end
return {first[1][1], redis.call('XRANGE', KEYS[1], string.format('%d-0', tonumber(ARGV[1]) + 1), '+')}`;

/** For the `scripts` option of a client. */
export const scripts = {
  mcpsMapSet: { lua: MAP_SET, numberOfKeys: 1 },
  mcpsAppend: { lua: APPEND, numberOfKeys: 1 },
  mcpsReadAfter: { lua: READ_AFTER, numberOfKeys: 1 },
  mcpsTake: { lua: TAKE, numberOfKeys: 1 },
};

type Script = (key: string, ...values: (string | number)[]) => Promise<unknown>;

/** ioredis adds scripts to the client at run time, unknown to its types. */
export function callScript(
  redis: Redis | Cluster,
  name: keyof typeof scripts,
  key: string,
  values: (string | number)[],
): Promise<unknown> {
  const script = (redis as unknown as Readonly<Record<string, Script>>)[name];
  if (script === undefined) throw new Error(`script ${name} is not defined`);
  return script.call(redis, key, ...values);
}

/** What the READ_AFTER script answers: [] or [oldest id, [id, [field, entry]][]]. */
export function parseSlice(raw: unknown): LogSlice {
  const [oldest, rows] = raw as [string?, [string, [string, string]][]?];
  if (oldest === undefined) return { oldest: 0, entries: [] };
  return {
    oldest: Number.parseInt(oldest, 10),
    entries: (rows ?? []).map(([id, [, entry]]) => ({ sequence: Number.parseInt(id, 10), entry })),
  };
}

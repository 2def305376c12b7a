/** What changes more than a value in Redis, as scripts of one key each: a write and its time to live are one step on any kind of Redis. */
import type { Cluster, Redis } from "ioredis";
import { TAKE } from "./buckets.ts";
import type { LeaseAnswer, LogSlice } from "./types.ts";

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

// Microseconds of the clock are above every fence of the past although the key may be gone; one more than the last where the clock
// went back. The key outlives its lease by a day for that. A lease that stands for a minute longer than is asked is from
// before the clock went back. ARGV: holder, ttl. Answers the fence or 0, and how long the lease stands.
const ACQUIRE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local ttl = tonumber(ARGV[2])
local lease = redis.call('HMGET', KEYS[1], 'holder', 'fence', 'until')
local left = tonumber(lease[3] or '0') - now
local live = left > 0 and left <= ttl + 60000
if live and lease[1] ~= ARGV[1] then return {'0', left} end
local fence = lease[2]
if not live then
  local clock = tonumber(time[1]) * 1000000 + tonumber(time[2])
  fence = string.format('%.0f', math.max(clock, tonumber(lease[2] or '0') + 1))
end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'fence', fence, 'until', string.format('%.0f', now + ttl))
redis.call('PEXPIRE', KEYS[1], ttl + 86400000)
return {fence, ttl}`;

// ARGV: holder.
const RELEASE = `
if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then redis.call('HSET', KEYS[1], 'until', '0') end
return 1`;

// ARGV: value, ttl, fence. Answers 1 or 0.
const PUT_FENCED = `
if tonumber(redis.call('HGET', KEYS[1], 'fence') or '0') > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'value', ARGV[1], 'fence', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`;

/** For the `scripts` option of a client. */
export const scripts = {
  mcpsMapSet: { lua: MAP_SET, numberOfKeys: 1 },
  mcpsAppend: { lua: APPEND, numberOfKeys: 1 },
  mcpsReadAfter: { lua: READ_AFTER, numberOfKeys: 1 },
  mcpsTake: { lua: TAKE, numberOfKeys: 1 },
  mcpsAcquire: { lua: ACQUIRE, numberOfKeys: 1 },
  mcpsRelease: { lua: RELEASE, numberOfKeys: 1 },
  mcpsPutFenced: { lua: PUT_FENCED, numberOfKeys: 1 },
};

export type ScriptName = keyof typeof scripts;
type Script = (key: string, ...values: (string | number)[]) => Promise<unknown>;

/** ioredis adds scripts to the client at run time, unknown to its types. */
export function callScript(
  redis: Redis | Cluster,
  name: ScriptName,
  key: string,
  values: (string | number)[],
): Promise<unknown> {
  const script = (redis as unknown as Readonly<Record<string, Script>>)[name];
  if (script === undefined) throw new Error(`script ${name} is not defined`);
  return script.call(redis, key, ...values);
}

/** What the ACQUIRE script answers: [fence, milliseconds]. */
export function parseLease(raw: unknown): LeaseAnswer {
  const [fence, leftMs] = raw as [string, number];
  return { fence: Number(fence), leftMs: Number(leftMs) };
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

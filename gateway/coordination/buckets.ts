/** Token buckets: what all stores of shared state agree on, the arithmetic of the one in memory, and the script of the one in Redis. */

/** Filled with `perMs` tokens a millisecond up to `capacity`; a bucket nobody has taken from is full. */
export type Bucket = {
  /** Whole tokens, at least 1. */
  readonly capacity: number;
  /** Above 0. */
  readonly perMs: number;
};

/** What a take brought: whole tokens, at most as many as were wanted, and how many are left (a fraction too). */
export type Taken = { readonly taken: number; readonly left: number };

export type BucketLevel = { readonly tokens: number; readonly at: number };

/** Rounding of fractions must not make anybody wait for a token that is there. */
const GRAIN = 1e-6;

/**
 * One take at `now` (ms), pure. `want` below 0 gives tokens back, never above the capacity. A clock that was set back fills nothing until it
 * has gone on from there.
 */
export function takeFrom(
  level: BucketLevel | undefined,
  want: number,
  { capacity, perMs }: Bucket,
  now: number,
): { readonly level: BucketLevel; readonly taken: Taken } {
  const filled =
    level === undefined ? capacity : Math.min(capacity, level.tokens + Math.max(0, now - level.at) * perMs);
  const taken = want > 0 ? Math.max(0, Math.min(want, Math.floor(filled + GRAIN))) : want;
  const tokens = Math.max(0, Math.min(capacity, filled - taken));
  return { level: { tokens, at: now }, taken: { taken, left: tokens } };
}

/** After this it is full again, and need not be kept. */
export function fullAfterMs(left: number, { capacity, perMs }: Bucket): number {
  return Math.ceil((capacity - left) / perMs) + 1000;
}

/** ARGV: want, capacity, tokens per millisecond. As `takeFrom`, by the clock of the server. Answers {taken, left}. */
export const TAKE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local want, capacity, rate = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local level = redis.call('HMGET', KEYS[1], 't', 'a')
local filled = capacity
if level[1] and level[2] then
  filled = math.min(capacity, tonumber(level[1]) + math.max(0, now - tonumber(level[2])) * rate)
end
local taken = want
if want > 0 then taken = math.max(0, math.min(want, math.floor(filled + ${GRAIN}))) end
local left = math.max(0, math.min(capacity, filled - taken))
redis.call('HSET', KEYS[1], 't', string.format('%.17g', left), 'a', string.format('%.17g', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - left) / rate) + 1000)
return {taken, string.format('%.17g', left)}`;

/** What the TAKE script answers. */
export function parseTaken(raw: unknown): Taken {
  const [taken, left] = Array.isArray(raw) ? raw : [];
  return { taken: Number(taken), left: Number(left) };
}

/** Histograms that add up, chains that break when they are touched, and a security log that a flood does not fill. */
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bucketOf,
  type ChainKeys,
  ChainReader,
  createAuditWriter,
  createSecurityLog,
  durationOf,
  type Linked,
  percentile,
  type SecurityEntry,
  type SecurityKind,
} from "../../../gateway/telemetry/index.ts";
import { silentLog } from "../coordination/log.ts";

describe("durations", () => {
  it("keeps each within 5 % of itself", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.011, max: 86_400_000, noNaN: true }), (ms) => {
        expect(Math.abs(durationOf(bucketOf(ms)) / ms - 1)).toBeLessThan(0.05);
      }),
    );
    expect([0, -1, Number.NaN, 0.01, 1e300].map(bucketOf)).toEqual([0, 0, 0, 0, 255]);
  });

  it("has percentiles of a sum that are at most 5 % off, however it was summed up", () => {
    const ms = fc.array(fc.double({ min: 0.1, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(ms, ms, fc.constantFrom(0.5, 0.9, 0.99, 1), (one, other, share) => {
        const sum: Record<string, number> = {};
        for (const each of [...one, ...other]) sum[bucketOf(each)] = (sum[bucketOf(each)] ?? 0) + 1;
        const sorted = [...one, ...other].sort((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(sorted.length * share)) - 1] ?? 0;
        expect(Math.abs((percentile(sum, share) ?? 0) / exact - 1)).toBeLessThan(0.05);
      }),
    );
    expect(percentile({}, 0.5)).toBe(undefined);
  });
});

const keys: ChainKeys = [
  { id: "new", secret: randomBytes(32) },
  { id: "old", secret: randomBytes(32) },
];
const entry = (action: string) => ({
  at: 1_780_000_000_000.7,
  correlationId: "c",
  principal: "p",
  principalKind: "jwt",
  tokenId: "t",
  remote: "r",
  method: "POST",
  action,
  resourceType: "tools",
  resourceId: "i",
  status: 200,
  outcome: "ok",
  change: "{}",
});

async function chainOf(actions: readonly string[], chainKeys = keys): Promise<Linked[]> {
  const rows: Linked[] = [];
  const writer = createAuditWriter({
    writer: "w",
    keys: chainKeys,
    flushAt: 2,
    capacity: 100,
    flushEveryMs: 3_600_000,
    write: async (batch) => void rows.push(...batch),
    isHopeless: () => false,
    log: silentLog,
  });
  for (const action of actions) await writer.addNow(entry(action));
  await writer.close(1000);
  return rows;
}
function firstBroken(rows: readonly Linked[], readerKeys = keys) {
  const reader = new ChainReader(readerKeys);
  for (const row of rows) {
    const broken = reader.read(row);
    if (broken !== undefined) return broken;
  }
  return undefined;
}

describe("audit chain", () => {
  const actions = ["a", "b", "c", "d"];
  it("holds as it was written, under any key of the ring", async () => {
    expect(firstBroken(await chainOf(actions))).toBe(undefined);
    const [first, second] = keys;
    expect(second && firstBroken(await chainOf(actions, [second]), [first, second])).toBe(undefined);
  });

  it("breaks at the row of which any field was changed, that was taken out, or moved", async () => {
    const rows = await chainOf(actions);
    const fields = Object.keys(rows[0] ?? {});
    expect(fields.length).toBe(19);
    for (const field of fields) {
      const changed = rows.map((row, index) =>
        index === 2 ? { ...row, [field]: `${Reflect.get(row, field)}x` } : row,
      );
      expect([field, firstBroken(changed)?.sequence]).toEqual([field, 3]);
    }
    expect(firstBroken(rows.filter((_, index) => index !== 1))?.sequence).toBe(2);
    const swapped = [rows[0], rows[2], rows[1], rows[3]].filter((row) => row !== undefined);
    expect(firstBroken(swapped)?.sequence).toBe(2);
    const other = await chainOf(["x", "b", "c", "d"]);
    expect(firstBroken([...rows.slice(0, 1), ...other.slice(1)])?.reason).toBe("it does not follow the row before it");
    expect(firstBroken(rows, [{ id: "other", secret: randomBytes(32) }])?.reason).toContain("its key new is not known");
  });

  it("has no gap where rows found no room or were refused, but says how many", async () => {
    const rows: Linked[] = [];
    let mood: "fine" | "away" | "refuses" = "away";
    const writer = createAuditWriter({
      writer: "w",
      keys,
      flushAt: 1000,
      capacity: 3,
      flushEveryMs: 3_600_000,
      write: async (batch) => {
        if (mood === "fine") rows.push(...batch);
        else throw mood === "away" ? new Error("away") : new TypeError("refused");
      },
      isHopeless: (error) => error instanceof TypeError,
      log: silentLog,
    });
    await writer.addNow(entry("one"));
    for (const action of ["two", "three", "four", "five"]) writer.add(entry(action));
    mood = "fine";
    await writer.flush();
    mood = "refuses";
    await writer.addNow(entry("six"));
    mood = "fine";
    await writer.addNow(entry("seven"));
    expect(rows.map(({ action, dropped, sequence }) => [action, dropped, sequence])).toEqual([
      ["one", 0, 1],
      ["two", 2, 2],
      ["three", 0, 3],
      ["seven", 1, 4],
    ]);
    expect(firstBroken(rows)).toBe(undefined);
  });
});

describe("security log", () => {
  const make = (level: "all" | "failures_only" | "high_severity") => {
    const rows: SecurityEntry[] = [];
    let now = 0;
    const log = createSecurityLog({
      level,
      threshold: 3,
      windowMs: 60_000,
      capacity: 100,
      flushEveryMs: 3_600_000,
      write: async (batch) => void rows.push(...batch),
      isHopeless: () => false,
      now: () => now,
      log: silentLog,
    });
    const record = (kind: SecurityKind, remote = "1.2.3.4") =>
      log.record({ kind, remote, detail: "d", correlationId: "c" });
    return { rows, record, flush: () => log.flush(), pass: (ms: number) => (now += ms) };
  };
  const shown = (rows: readonly SecurityEntry[]) => rows.map(({ kind, severity, times }) => [kind, severity, times]);

  it("makes one row of equal events, and a severe one of many tries from one address", async () => {
    const { rows, record, flush, pass } = make("failures_only");
    for (let times = 0; times < 1000; times++) record("auth.refused");
    record("auth.refused", "5.6.7.8");
    record("auth.ok");
    await flush();
    pass(60_000);
    record("auth.refused");
    await flush();
    expect(shown(rows)).toEqual([
      ["auth.refused", "low", 2],
      ["auth.refused", "high", 998],
      ["auth.refused", "low", 1],
      ["auth.refused", "low", 1],
    ]);
  });

  it.each([
    ["all", ["auth.ok", "auth.forbidden", "auth.lockout"]],
    ["failures_only", ["auth.forbidden", "auth.lockout"]],
    ["high_severity", ["auth.lockout"]],
  ] as const)("keeps with level %s %s", async (level, kinds) => {
    const { rows, record, flush } = make(level);
    for (const kind of ["auth.ok", "auth.forbidden", "auth.lockout"] as const) record(kind);
    await flush();
    expect(rows.map(({ kind }) => kind)).toEqual(kinds);
  });
});

/** Rows that wait in memory: bounded, each batch the same one until it is written, and none lost at the end that could be written. */
import { describe, expect, it } from "vitest";
import { createBuffer } from "../../../gateway/telemetry/index.ts";
import { waitFor } from "../../harness/index.ts";
import { recordingLog, silentLog } from "../coordination/log.ts";

type Written = { readonly rows: readonly number[]; readonly batch: number };

/** A store that can be away: it rejects as long as there are failures left. */
function storeOf(failures = 0) {
  const tried: Written[] = [];
  const written: Written[] = [];
  let left = failures;
  return {
    tried,
    written,
    write: async (rows: readonly number[], batch: number) => {
      tried.push({ rows: [...rows], batch });
      if (left-- > 0) throw new Error("away");
      written.push({ rows: [...rows], batch });
    },
  };
}
const HOUR = 3_600_000;
const defaults = { name: "test", flushAt: 3, capacity: 10, flushEveryMs: HOUR, log: silentLog };

describe("createBuffer", () => {
  it("writes as soon as there are enough rows, and the rest when told", async () => {
    const store = storeOf();
    const buffer = createBuffer<number>({ ...defaults, write: store.write });
    for (const row of [1, 2, 3]) buffer.add(row);
    await waitFor(() => store.written.length === 1);
    buffer.add(4);
    expect(buffer.figures()).toEqual({ waiting: 1, written: 3, dropped: 0, failures: 0 });
    expect(await buffer.flush()).toBe(true);
    expect(store.written).toEqual([
      { rows: [1, 2, 3], batch: 1 },
      { rows: [4], batch: 2 },
    ]);
  });

  it("writes after its interval what is less than that", async () => {
    const store = storeOf();
    const buffer = createBuffer<number>({ ...defaults, flushEveryMs: 5, write: store.write });
    buffer.add(1);
    await waitFor(() => store.written.length === 1);
    await buffer.close(1000);
  });

  it("tries the same batch again, with rows that came meanwhile behind it and not in it", async () => {
    const store = storeOf(1);
    const buffer = createBuffer<number>({ ...defaults, write: store.write });
    buffer.add(1);
    expect(await buffer.flush()).toBe(false);
    buffer.add(2);
    expect(await buffer.flush()).toBe(true);
    expect(store.tried).toEqual([
      { rows: [1], batch: 1 },
      { rows: [1], batch: 1 },
      { rows: [2], batch: 2 },
    ]);
    expect(buffer.figures()).toEqual({ waiting: 0, written: 2, dropped: 0, failures: 1 });
  });

  it("holds no more than its capacity, and counts what finds no room", async () => {
    const store = storeOf(Number.POSITIVE_INFINITY);
    const buffer = createBuffer<number>({ ...defaults, write: store.write });
    const kept = Array.from({ length: 15 }, (_, row) => buffer.add(row));
    expect(kept.filter((row) => row !== undefined).length).toBe(10);
    await buffer.flush();
    expect(buffer.figures()).toMatchObject({ waiting: 10, dropped: 5 });
    await buffer.close(60);
    expect(buffer.figures()).toMatchObject({ waiting: 0, written: 0, dropped: 15 });
  });

  it("drops a batch that will never be taken, and goes on", async () => {
    const buffer = createBuffer<number>({
      ...defaults,
      write: async (rows) => {
        if (rows.includes(13)) throw new TypeError("refused");
      },
      isHopeless: (error) => error instanceof TypeError,
    });
    buffer.add(13);
    expect(await buffer.flush()).toBe(true);
    buffer.add(14);
    expect(await buffer.flush()).toBe(true);
    expect(buffer.figures()).toEqual({ waiting: 0, written: 1, dropped: 1, failures: 1 });
  });

  it("writes at the end what a store took that was away for a moment", async () => {
    const store = storeOf(2);
    const buffer = createBuffer<number>({ ...defaults, write: store.write });
    for (const row of [1, 2]) buffer.add(row);
    await buffer.close(10_000);
    expect(store.written).toEqual([{ rows: [1, 2], batch: 1 }]);
  });

  it("waits at the end for no longer than it may", async () => {
    const buffer = createBuffer<number>({ ...defaults, write: () => new Promise(() => undefined) });
    buffer.add(1);
    await buffer.close(50);
    expect(buffer.figures()).toMatchObject({ dropped: 1, written: 0 });
  });

  it("takes no row once it is closed: that one is counted and told, and nothing is written", async () => {
    const store = storeOf();
    const { log, lines } = recordingLog();
    const buffer = createBuffer<number>({ ...defaults, log, flushAt: 1, write: store.write });
    await buffer.close(1000);
    expect(buffer.add(1)).toBe(undefined);
    expect(await buffer.flush()).toBe(true);
    expect(store.tried).toEqual([]);
    expect(buffer.figures()).toEqual({ waiting: 0, written: 0, dropped: 1, failures: 0 });
    expect(lines).toEqual([
      { level: "warn", event: "records.dropped", fields: { records: "test", rows: 1, sinceStart: 1 } },
    ]);
  });

  it("has written a row when the flush that was asked for after it resolves, whatever else is being written", async () => {
    const store = storeOf();
    const buffer = createBuffer<number>({ ...defaults, capacity: 1000, write: store.write });
    await Promise.all(
      Array.from({ length: 100 }, async (_, row) => {
        for (let turns = row % 7; turns > 0; turns--) await Promise.resolve();
        buffer.add(row);
        await buffer.flush();
        expect(store.written.flatMap(({ rows }) => rows)).toContain(row);
      }),
    );
    expect(store.written.flatMap(({ rows }) => rows).sort((one, other) => one - other)).toEqual(
      Array.from({ length: 100 }, (_, row) => row),
    );
  });
});

describe("rows that are alike", () => {
  it("are nobody's any more once they were dropped at the end, also when a write that hung comes through then", async () => {
    const gate = Promise.withResolvers<void>();
    const merge = { keyOf: (row: { n: number }) => String(row.n), join: () => undefined };
    const buffer = createBuffer({ ...defaults, merge, write: () => gate.promise });
    buffer.add({ n: 1 });
    const flushed = buffer.flush();
    buffer.add({ n: 2 });
    const { batches } = buffer;
    await buffer.close(1);
    expect([buffer.batches === batches, buffer.add({ n: 2 })]).toEqual([false, undefined]);
    gate.resolve();
    expect(await flushed).toBe(true);
    expect(buffer.figures()).toEqual({ waiting: 0, written: 0, dropped: 3, failures: 0 });
  });

  it("wait as one, and are another one once they are being written", async () => {
    const batches: (readonly { key: string; n: number }[])[] = [];
    const gate = Promise.withResolvers<void>();
    const buffer = createBuffer<{ key: string; n: number }>({
      name: "sums",
      flushAt: 100,
      capacity: 2,
      flushEveryMs: 60_000,
      merge: {
        keyOf: ({ key }) => key,
        join(first, second) {
          first.n += second.n;
        },
      },
      async write(rows) {
        batches.push(rows);
        await gate.promise;
      },
      log: silentLog,
    });
    for (const key of ["a", "b", "a", "c", "a"]) buffer.add({ key, n: 1 });
    // The third of them found no room.
    expect(buffer.figures()).toMatchObject({ waiting: 2, dropped: 1 });
    const flushing = buffer.flush();
    expect(buffer.add({ key: "a", n: 1 })).toBeUndefined();
    gate.resolve();
    await flushing;
    buffer.add({ key: "a", n: 5 });
    await buffer.flush();
    expect(batches).toEqual([
      [
        { key: "a", n: 3 },
        { key: "b", n: 1 },
      ],
      [{ key: "a", n: 5 }],
    ]);
    await buffer.close(100);
  });
});

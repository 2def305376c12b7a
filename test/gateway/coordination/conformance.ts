/** What every implementation of SharedState must do; run over memory, PGlite, real PostgreSQL and real Redis. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SharedState } from "../../../gateway/coordination/index.ts";
import { waitFor } from "../../harness/wait.ts";

export type Pair = {
  /** Two connections as two processes would have them; the same one where only one process is possible. */
  readonly a: SharedState;
  readonly b: SharedState;
  close(): Promise<void>;
};

/** Asks again until the condition holds; the deadline is only for a broken build. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  await waitFor(condition, 20_000, what);
}

const LONG = 60_000;
const SHORT = 80;
const ODD_TEXTS = ["", "ä€😀", '{"a":"\\u0000"}', "line\nbreak\r\n", "a:b", "x".repeat(200_000), "__proto__"];

export function describeSharedState(name: string, open: () => Promise<Pair>): void {
  describe(`shared state: ${name}`, () => {
    let pair: Pair;
    let a: SharedState;
    let b: SharedState;
    const key = () => `t:${randomUUID()}`;

    beforeAll(async () => {
      pair = await open();
      a = pair.a;
      b = pair.b;
    });
    afterAll(async () => {
      await pair.close();
    });

    it("answers pings", async () => {
      await expect(a.ping()).resolves.toBeUndefined();
    });

    it("keeps, replaces and deletes values", async () => {
      const k = key();
      expect(await a.get(k)).toBeUndefined();
      expect(await a.set(k, "1", LONG)).toBe(true);
      expect(await b.get(k)).toBe("1");
      expect(await b.set(k, "2", LONG)).toBe(true);
      expect(await a.get(k)).toBe("2");
      expect(await a.set(k, "3", LONG, { ifAbsent: true })).toBe(false);
      expect(await a.get(k)).toBe("2");
      await b.delete(k);
      expect(await a.get(k)).toBeUndefined();
      expect(await a.set(k, "4", LONG, { ifAbsent: true })).toBe(true);
      expect(await b.get(k)).toBe("4");
    });

    it.each(ODD_TEXTS.map((text) => [text.slice(0, 20), text]))("keeps text as it is: %j", async (_, text) => {
      const k = key();
      await a.set(`${k}v`, text, LONG);
      expect(await b.get(`${k}v`)).toBe(text);
      expect(await a.mapSet(`${k}m`, "__proto__", text, LONG)).toBe(text);
      expect([...(await b.mapGet(`${k}m`))]).toEqual([["__proto__", text]]);
      await a.append(`${k}l`, text, { cap: 2, ttlMs: LONG });
      expect(await b.readAfter(`${k}l`, 0)).toEqual({ oldest: 1, entries: [{ sequence: 1, entry: text }] });
    });

    it("gives one of many who set a value if absent the yes", async () => {
      const k = key();
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 ? a : b).set(k, String(index), LONG, { ifAbsent: true })),
      );
      expect(answers.filter(Boolean)).toHaveLength(1);
      expect(await a.get(k)).toBe(String(answers.indexOf(true)));
    });

    it("forgets values, maps and logs when their time is over", async () => {
      const k = key();
      await a.set(`${k}v`, "1", SHORT);
      await a.mapSet(`${k}m`, "f", "1", SHORT);
      await a.append(`${k}l`, "1", { cap: 5, ttlMs: SHORT });
      await a.append(`${k}l`, "2", { cap: 5, ttlMs: SHORT });
      await until(async () => (await b.get(`${k}v`)) === undefined, "the value's end");
      await until(async () => (await b.mapGet(`${k}m`)).size === 0, "the map's end");
      await until(async () => (await b.readAfter(`${k}l`, 0)).oldest === 0, "the log's end");
      expect(await a.set(`${k}v`, "2", LONG, { ifAbsent: true })).toBe(true);
      expect(await a.mapSet(`${k}m`, "g", "2", LONG, { ifAbsent: true })).toBe("2");
      expect([...(await b.mapGet(`${k}m`))]).toEqual([["g", "2"]]);
      expect(await a.append(`${k}l`, "new", { cap: 5, ttlMs: LONG })).toBe(1);
      expect(await b.readAfter(`${k}l`, 0)).toEqual({ oldest: 1, entries: [{ sequence: 1, entry: "new" }] });
    });

    it("renews a map with each write and a log when asked", async () => {
      const k = key();
      await a.mapSet(`${k}m`, "f", "1", SHORT);
      await a.mapSet(`${k}m`, "g", "2", LONG);
      await a.append(`${k}l`, "1", { cap: 5, ttlMs: SHORT });
      await a.renewLog(`${k}l`, LONG);
      await a.renewLog(`${k}unknown`, LONG);
      await a.set(`${k}v`, "clock", SHORT);
      await until(async () => (await b.get(`${k}v`)) === undefined, "the short time to pass");
      expect(Object.fromEntries(await b.mapGet(`${k}m`))).toEqual({ f: "1", g: "2" });
      expect((await b.readAfter(`${k}l`, 0)).entries).toEqual([{ sequence: 1, entry: "1" }]);
      expect(await b.readAfter(`${k}unknown`, 0)).toEqual({ oldest: 0, entries: [] });
    });

    it("keeps small maps", async () => {
      const k = key();
      expect(await a.mapGet(k)).toEqual(new Map());
      expect(await a.mapSet(k, "x", "1", LONG)).toBe("1");
      expect(await b.mapSet(k, "x", "2", LONG, { ifAbsent: true })).toBe("1");
      expect(await b.mapSet(k, "y", "3", LONG, { ifAbsent: true })).toBe("3");
      expect(await a.mapSet(k, "x", "4", LONG)).toBe("4");
      expect(Object.fromEntries(await b.mapGet(k))).toEqual({ x: "4", y: "3" });
      await a.mapDelete(k, "x");
      await a.mapDelete(k, "nothing");
      await a.mapDelete(`${k}none`, "nothing");
      expect(Object.fromEntries(await b.mapGet(k))).toEqual({ y: "3" });
    });

    it("lets all who set a field if absent see the same winner", async () => {
      const k = key();
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 ? a : b).mapSet(k, "f", String(index), LONG, { ifAbsent: true }),
        ),
      );
      expect(new Set(answers).size).toBe(1);
      expect((await a.mapGet(k)).get("f")).toBe(answers[0]);
    });

    it("numbers a log 1, 2, 3 … under concurrent writers and keeps the newest", async () => {
      const k = key();
      const answers = await Promise.all(
        Array.from({ length: 30 }, (_, index) => (index % 2 ? a : b).append(k, `e${index}`, { cap: 10, ttlMs: LONG })),
      );
      expect(answers.toSorted((x, y) => x - y)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
      const { oldest, entries } = await a.readAfter(k, 0);
      expect(oldest).toBe(21);
      expect(entries).toEqual(
        Array.from({ length: 10 }, (_, index) => ({ sequence: index + 21, entry: `e${answers.indexOf(index + 21)}` })),
      );
      expect((await b.readAfter(k, 28)).entries.map((entry) => entry.sequence)).toEqual([29, 30]);
      expect(await b.readAfter(k, 30)).toEqual({ oldest: 21, entries: [] });
      expect(await b.readAfter(`${k}unknown`, 0)).toEqual({ oldest: 0, entries: [] });
    });

    it("takes the caller's sequences and ignores repeated ones", async () => {
      const k = key();
      const put = (sequence: number, entry: string) => a.append(k, entry, { cap: 4, ttlMs: LONG, sequence });
      expect(await put(1, "one")).toBe(1);
      expect(await put(2, "two")).toBe(2);
      expect(await put(2, "again")).toBe(2);
      expect(await put(1, "older")).toBe(1);
      expect(await put(5, "five")).toBe(5);
      expect(await put(3, "late")).toBe(3);
      expect(await b.readAfter(k, 0)).toEqual({
        oldest: 2,
        entries: [
          { sequence: 2, entry: "two" },
          { sequence: 5, entry: "five" },
        ],
      });
      expect(await b.append(k, "six", { cap: 4, ttlMs: LONG })).toBe(6);
      expect(await b.readAfter(k, 4)).toEqual({
        oldest: 5,
        entries: [
          { sequence: 5, entry: "five" },
          { sequence: 6, entry: "six" },
        ],
      });
    });

    it("gives a lease to one holder, with a fence that grows with every change of the holder", async () => {
      const k = key();
      const first = await a.acquire(k, "one", LONG);
      expect(first).toEqual({ fence: expect.any(Number), leftMs: LONG });
      expect(first.fence).toBeGreaterThan(0);
      const refused = await b.acquire(k, "two", LONG);
      expect(refused.fence).toBe(0);
      expect(refused.leftMs).toBeGreaterThan(0);
      expect(refused.leftMs).toBeLessThanOrEqual(LONG);
      expect(await a.acquire(k, "one", LONG)).toEqual({ fence: first.fence, leftMs: LONG });
      await b.release(k, "two");
      expect((await b.acquire(k, "two", LONG)).fence).toBe(0);
      await a.release(k, "one");
      await a.release(`${k}unknown`, "one");
      const second = await b.acquire(k, "two", SHORT);
      expect(second.fence).toBeGreaterThan(first.fence);
      let third = 0;
      await until(async () => {
        third = (await a.acquire(k, "one", LONG)).fence;
        return third > 0;
      }, "the lease's end");
      expect(third).toBeGreaterThan(second.fence);
      expect(Number.isSafeInteger(third)).toBe(true);
    });

    it("gives one of many who try for a lease the yes", async () => {
      const k = key();
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, index) => (index % 2 ? a : b).acquire(k, `h${index}`, LONG)),
      );
      expect(answers.filter(({ fence }) => fence > 0)).toHaveLength(1);
    });

    it("refuses what is written with a lower fence than stands there", async () => {
      const k = key();
      const [old, fresh] = [1_750_000_000_000_000, 1_750_000_000_000_001];
      expect(await a.putFenced(k, "first", LONG, old)).toBe(true);
      expect(await a.putFenced(k, "again", LONG, old)).toBe(true);
      expect(await b.putFenced(k, "second", LONG, fresh)).toBe(true);
      expect(await a.putFenced(k, "late", LONG, old)).toBe(false);
      expect(Object.fromEntries(await a.mapGet(k))).toEqual({ value: "second", fence: String(fresh) });
    });

    it("delivers messages in order to every subscriber of the channel and to no other", async () => {
      const channel = key();
      const seen: Record<string, string[]> = { a: [], b: [], other: [] };
      const ends = [
        await a.subscribe(channel, (message) => seen.a?.push(message)),
        await b.subscribe(channel, (message) => seen.b?.push(message)),
        await b.subscribe(`${channel}2`, (message) => seen.other?.push(message)),
      ];
      const sent = Array.from({ length: 100 }, (_, index) => `${index}:ä😀`);
      await Promise.all(sent.map((message) => a.publish(channel, message)));
      await until(() => seen.a?.length === 100 && seen.b?.length === 100, "100 messages twice");
      await b.publish(`${channel}2`, "end");
      await until(() => seen.other?.length === 1, "the other channel's message");
      expect(seen).toEqual({ a: sent, b: sent, other: ["end"] });
      for (const end of ends) await end();
    });

    it("delivers each message of both publishers once, each publisher's in order", async () => {
      const channel = key();
      const seen: string[] = [];
      const end = await b.subscribe(channel, (message) => seen.push(message));
      await Promise.all(
        Array.from({ length: 50 }, (_, index) => [
          a.publish(channel, `a${index}`),
          b.publish(channel, `b${index}`),
        ]).flat(),
      );
      await until(() => seen.length >= 100, "100 messages");
      const order = Array.from({ length: 50 }, (_, index) => index);
      expect(seen.filter((message) => message.startsWith("a"))).toEqual(order.map((index) => `a${index}`));
      expect(seen.filter((message) => message.startsWith("b"))).toEqual(order.map((index) => `b${index}`));
      await end();
    });

    it("delivers nothing from before a subscription, nothing after its end, and survives listeners that throw", async () => {
      const channel = key();
      const seen: string[] = [];
      const others: string[] = [];
      await a.publish(channel, "before");
      const thrower = await a.subscribe(channel, () => {
        throw new Error("listener");
      });
      const end = await a.subscribe(channel, (message) => seen.push(message));
      const other = await a.subscribe(channel, (message) => others.push(message));
      await b.publish(channel, "during");
      await until(() => others.length === 1 && seen.length === 1, "the first message");
      await end();
      await end();
      await b.publish(channel, "after");
      await until(() => others.length === 2, "the second message");
      expect(seen).toEqual(["during"]);
      expect(others).toEqual(["during", "after"]);
      await other();
      await thrower();
      const again: string[] = [];
      const last = await a.subscribe(channel, (message) => again.push(message));
      await b.publish(channel, "again");
      await until(() => again.length === 1, "a message after subscribing again");
      expect(again).toEqual(["again"]);
      await last();
    });

    it("misses nothing that is published once subscribe has resolved, however often channels come and go", async () => {
      for (let round = 0; round < 20; round++) {
        const channel = key();
        const seen: string[] = [];
        const end = await a.subscribe(channel, (message) => seen.push(message));
        await b.publish(channel, String(round));
        await until(() => seen.length === 1, `message ${round}`);
        expect(seen).toEqual([String(round)]);
        if (round % 2 === 0) await end();
      }
    });

    it("takes whole tokens of a bucket that all share, and takes them back", async () => {
      const k = key();
      // Nothing flows in while the test runs.
      const bucket = { capacity: 10, perMs: 1e-12 };
      expect(await a.take(k, 4, bucket)).toEqual({ taken: 4, left: 6 });
      const second = await b.take(k, 4, bucket);
      expect(second.taken).toBe(4);
      expect(second.left).toBeCloseTo(2, 6);
      expect((await a.take(k, 4, bucket)).taken).toBe(2);
      expect((await b.take(k, 1, bucket)).taken).toBe(0);
      expect((await b.take(k, -3, bucket)).left).toBeCloseTo(3, 6);
      expect((await a.take(k, 5, bucket)).taken).toBe(3);
      expect((await a.take(k, -100, bucket)).left).toBe(10);
      expect((await a.take(key(), 11, bucket)).taken).toBe(10);
    });

    it("fills a bucket with time, up to its capacity", async () => {
      const k = key();
      const bucket = { capacity: 3, perMs: 0.05 };
      expect((await a.take(k, 3, bucket)).taken).toBe(3);
      await until(async () => (await b.take(k, 1, bucket)).taken === 1, "a token that flowed in");
      await until(async () => (await b.take(k, 0, bucket)).left === 3, "a full bucket");
      expect((await a.take(k, 100, bucket)).taken).toBe(3);
    });

    it("hands out each token once, however many take at the same time", async () => {
      const k = key();
      const bucket = { capacity: 25, perMs: 1e-12 };
      const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? a : b).take(k, 2, bucket)));
      expect(answers.reduce((sum, { taken }) => sum + taken, 0)).toBe(25);
    });

    it("refuses everything once closed", async () => {
      const mine = await open();
      await mine.a.set(key(), "1", LONG);
      await mine.a.subscribe(key(), () => undefined);
      await mine.a.close();
      await mine.a.close();
      const refusal = expect.objectContaining({ code: "MCPS_STATE" });
      await expect(mine.a.get("k")).rejects.toEqual(refusal);
      await expect(mine.a.publish("c", "m")).rejects.toEqual(refusal);
      await expect(mine.a.subscribe("c", () => undefined)).rejects.toEqual(refusal);
      await expect(mine.a.ping()).rejects.toEqual(refusal);
      await mine.close();
    });
  });
}

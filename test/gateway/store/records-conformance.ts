/** What the store promises of records, on whatever database it is given. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readTrail, verifyChains, verifyWrittenOut, writtenOut } from "../../../gateway/admin/index.ts";
import { createSealer } from "../../../gateway/sessions/index.ts";
import { type CallRow, openStore, RowsRefused, type Store } from "../../../gateway/store/index.ts";
import {
  bucketOf,
  type ChainKeys,
  createAuditWriter,
  percentile,
  signAnchor,
} from "../../../gateway/telemetry/index.ts";
import { silentLog } from "../coordination/log.ts";
import type { Asked } from "./asked.ts";
import { keyOf } from "./conformance.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
export const NOON = Date.UTC(2026, 5, 15, 12);

export function callRow(at: number, ms: number, more: Partial<CallRow> = {}): CallRow {
  return {
    at,
    kind: "tool",
    gatewayId: "g1",
    gatewaySlug: "up",
    name: "echo",
    serverId: "",
    outcome: "ok",
    ms,
    bucket: bucketOf(ms),
    ...more,
  };
}

export const chainKeys: ChainKeys = [{ id: "k1", secret: randomBytes(32) }];

export function auditEntry(at: number, action: string) {
  return {
    at,
    correlationId: `c-${action}`,
    principal: "ann@example.com",
    principalKind: "jwt",
    tokenId: null,
    remote: "127.0.0.1",
    method: "POST",
    action,
    resourceType: "gateways",
    resourceId: "g1",
    status: 200,
    outcome: "ok",
    change: '{"changed":{}}',
  };
}

async function* linesOf(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

/** Writes these entries as one writer and answers its name. */
export async function writeAudit(store: Store, entries: readonly ReturnType<typeof auditEntry>[]): Promise<string> {
  const writer = `w-${randomBytes(4).toString("hex")}`;
  const audit = createAuditWriter({
    writer,
    keys: chainKeys,
    flushAt: 1000,
    capacity: 10_000,
    flushEveryMs: 60_000,
    write: (rows) => store.records.writeAudit(rows),
    isHopeless: (error) => error instanceof RowsRefused,
    log: silentLog,
  });
  for (const entry of entries) audit.add(entry);
  expect(await audit.flush()).toBe(true);
  await audit.close(1000);
  return writer;
}

export function describeRecords(
  name: string,
  urlOf: () => Promise<string>,
  copies: "copy" | "insert",
  asked: Asked,
): void {
  describe(`records on ${name}`, () => {
    let store: Store;
    let client: pg.Client;
    let batches = 0;
    /** Several of these may share a database. */
    const run = randomBytes(4).toString("hex");
    const batch = () => ({ writer: run, number: ++batches });
    beforeAll(async () => {
      const url = await urlOf();
      const options = { poolSize: 3, poolTimeoutMs: 10_000, log: silentLog, sealing: createSealer([keyOf("k")]) };
      store = asked.watch(await openStore({ url, ...options, canCopy: copies === "copy" }));
      client = new pg.Client(url);
      client.on("error", () => undefined);
      await client.connect();
    });
    afterAll(async () => {
      await client.end();
      await store.close();
    });
    beforeEach(async () => {
      await store.records.resetCalls();
      await client.query("update record_mark set at = '-infinity'");
    });
    const all = { from: NOON - 40 * DAY, until: NOON + 40 * DAY, limit: 100 };
    const figures = () => store.records.figures({ ...all, group: "item", order: "calls" });

    it("holds many rows and few, of any day and any text, each batch once", async () => {
      const texts = ["tab\tnewline\n", "back\\slash \\N", "nul\0", "\ud800 half", "ünïcode 漢", "'; drop table x; --"];
      const rows = Array.from({ length: 2500 }, (_, index) =>
        callRow(NOON + (index % 3) * DAY, index % 50, { name: texts[index % texts.length] ?? "" }),
      );
      const first = batch();
      await store.records.writeCalls(first, rows);
      await store.records.writeCalls(first, rows);
      await store.records.writeCalls(batch(), rows.slice(0, 12));
      const found = await figures();
      expect(found.reduce((sum, { calls }) => sum + calls, 0)).toBe(2512);
      expect(found.map((row) => row.name).sort()).toEqual(
        texts.map((text) => text.toWellFormed().replace("\0", "\uFFFD")).sort(),
      );
    });

    it("adds hours up once, again where rows came late, and shows the same figures before and after", async () => {
      const durations = Array.from({ length: 400 }, (_, index) => 1 + index);
      await store.records.writeCalls(
        batch(),
        durations.map((ms, index) =>
          callRow(NOON + index * 30_000, ms, { outcome: index % 4 === 0 ? "tool_error" : "ok", serverId: "s1" }),
        ),
      );
      const before = await figures();
      expect(before).toMatchObject([{ calls: 400, failures: 100, minMs: 1, maxMs: 400, gatewaySlug: "up" }]);
      expect(Math.abs((percentile(before[0]?.buckets ?? {}, 0.5) ?? 0) / 200 - 1)).toBeLessThan(0.05);
      const until = await store.records.rollUpCalls(NOON + 2 * HOUR + 1, 1);
      expect(until).toBe(NOON + 2 * HOUR);
      expect(await figures()).toEqual(before);
      await store.records.writeCalls(batch(), [callRow(NOON + HOUR + 1, 7, { serverId: "s1" })]);
      await store.records.rollUpCalls(NOON + 3 * HOUR + 1, 1);
      expect(await figures()).toMatchObject([{ calls: 401, failures: 100 }]);
      const hours = await store.records.figures({ ...all, group: "hour", order: "hour" });
      expect(hours.map(({ hour, calls }) => [hour, calls])).toEqual([
        [NOON, 120],
        [NOON + HOUR, 121],
        [NOON + 2 * HOUR, 120],
        [NOON + 3 * HOUR, 40],
      ]);
      const servers = await store.records.figures({ ...all, group: "server", order: "calls" });
      expect(servers).toMatchObject([{ serverId: "s1", calls: 401 }]);
    });

    it("drops days whose hours are added up, and no others", async () => {
      await store.records.writeCalls(batch(), [callRow(NOON, 5), callRow(NOON + DAY, 5), callRow(NOON + 2 * DAY, 5)]);
      const before = await figures();
      await store.records.rollUpCalls(NOON + DAY + HOUR, 1);
      const dropped = await store.records.dropCalls(NOON + 40 * DAY, 1);
      expect(dropped.filter((table) => table >= "call_metric_20260615")).toEqual(["call_metric_20260615"]);
      expect(await figures()).toEqual(before);
      await store.records.writeCalls(batch(), [callRow(NOON + 2 * DAY, 5)]);
      expect((await figures())[0]?.calls).toBe(4);
    });

    it("lets one at a time add up", async () => {
      await client.query("begin");
      await client.query("select 1 from record_mark for update");
      if (copies === "copy") expect(await store.records.rollUpCalls(NOON, 1)).toBe(undefined);
      await client.query("rollback");
      expect(await store.records.rollUpCalls(NOON, 1)).toBe(NOON);
    });

    it("keeps a chain of changes that verifies, and names the first link that was touched", async () => {
      const actions = ["one", "two", "three", "four", "five"];
      const writer = await writeAudit(
        store,
        actions.map((action, index) => auditEntry(NOON + index, `${action}\0`)),
      );
      const verdict = () => verifyChains(store.records, chainKeys, writer);
      expect(await verdict()).toEqual({ ok: true, writers: 1, rows: 5, broken: [] });
      await expect(client.query("update audit_row set principal = 'eve'")).rejects.toThrow(/only added/);
      await client.query("alter table audit_row disable trigger audit_row_keeps");
      await client.query("update audit_row set principal = 'eve' where writer = $1 and sequence = 3", [writer]);
      expect((await verdict()).broken).toEqual([
        { writer, sequence: 3, id: expect.any(String), reason: "it is not what was written" },
      ]);
      await client.query("update audit_row set principal = 'ann@example.com' where writer = $1", [writer]);
      expect((await verdict()).ok).toBe(true);
      await client.query("delete from audit_row where writer = $1 and sequence = 2", [writer]);
      expect((await verdict()).broken).toEqual([
        { writer, sequence: 2, id: expect.any(String), reason: "row 2 is missing, 3 follows" },
      ]);
      await client.query("delete from audit_row where writer = $1", [writer]);
      await client.query("alter table audit_row enable trigger audit_row_keeps");
    });

    it("tells of a chain that lost its end, or is gone, since somebody looked; and of rows that were added", async () => {
      const entries = ["one", "two", "three"].map((action, index) => auditEntry(NOON + index, action));
      const [cut, gone, kept] = [
        await writeAudit(store, entries),
        await writeAudit(store, entries),
        await writeAudit(store, entries),
      ];
      const before = await readTrail(store.records, chainKeys);
      const ours = new Set([cut, gone, kept]);
      const heads = before.heads.filter(({ writer }) => ours.has(writer));
      expect(heads.map(({ sequence }) => sequence)).toEqual([3, 3, 3]);
      // Other suites have left chains in the same tables.
      const brokenOfOurs = async (...since: [] | [typeof heads]) =>
        (await readTrail(store.records, chainKeys, ...since)).broken.filter(({ writer }) => ours.has(writer));
      expect(await brokenOfOurs(heads)).toEqual([]);
      await client.query("alter table audit_row disable trigger audit_row_keeps");
      await client.query("delete from audit_row where writer = $1 and sequence > 1", [cut]);
      await client.query("delete from audit_row where writer = $1", [gone]);
      // Nothing behind the end of a chain tells of what was there.
      expect(await brokenOfOurs()).toEqual([]);
      expect(await brokenOfOurs(heads)).toEqual([
        { writer: cut, sequence: 2, reason: "the chain ends before row 3, which was there before" },
        { writer: gone, sequence: 3, reason: "the chain is gone, its row 3 was there before" },
      ]);
      const [{ id } = { id: "" }] = await client
        .query<{ id: string }>(
          `insert into audit_row (writer, sequence, at, correlation_id, principal, principal_kind, remote, method, action, resource_type, status,
             outcome, dropped, key_id, previous, hash)
           select writer, 4, at, correlation_id, 'eve', principal_kind, remote, method, action, resource_type, status, outcome, dropped, key_id,
             hash, hash from audit_row where writer = $1 and sequence = 3 returning id::text as id`,
          [kept],
        )
        .then(({ rows }) => rows);
      expect((await verifyChains(store.records, chainKeys, kept)).broken).toEqual([
        { writer: kept, sequence: 4, id, reason: "it is not what was written" },
      ]);
      await client.query("delete from audit_row where writer = any($1)", [[cut, gone, kept]]);
      await client.query("alter table audit_row enable trigger audit_row_keeps");
    });

    it("writes a trail out, and tells when a line of that was changed, taken out, put in or cut off", async () => {
      const entries = ["one", "two", "three"].map((action, index) => auditEntry(NOON + index, action));
      const writer = await writeAudit(store, entries);
      const lines: string[] = [];
      for await (const line of writtenOut(store.records, chainKeys, writer)) lines.push(line);
      expect(lines.length).toBe(5);
      const verdictOf = async (changed: readonly string[]) => {
        const { ok, rows, broken } = await verifyWrittenOut(linesOf(changed), chainKeys);
        return { ok, rows, reasons: broken.map(({ reason }) => reason) };
      };
      const altered = "the file is not what was written";
      expect(await verdictOf(lines)).toEqual({ ok: true, rows: 3, reasons: [] });
      expect(await verdictOf(lines.map((line) => line.replace('"two"', '"2"')))).toEqual({
        ok: false,
        rows: 1,
        reasons: ["it is not what was written", altered],
      });
      expect(await verdictOf(lines.toSpliced(1, 1))).toEqual({
        ok: false,
        rows: 0,
        reasons: ["row 1 is missing, 2 follows", altered],
      });
      expect(await verdictOf(lines.toSpliced(3, 1))).toEqual({ ok: false, rows: 2, reasons: [altered] });
      expect(await verdictOf(lines.slice(0, 3))).toEqual({
        ok: false,
        rows: 2,
        reasons: ["the file was cut off: it has no end"],
      });
      expect((await verdictOf([...lines, ...lines.slice(0, 2)])).reasons).toEqual([altered]);
      await expect(verdictOf([...lines.slice(0, 2), "{}"])).rejects.toThrow(
        new RangeError("line 3 is no line of an audit trail that was written out"),
      );
    });

    it("drops the old end of a chain and leaves an anchor that nobody else can sign", async () => {
      const writer = await writeAudit(
        store,
        [1, 2, 3, 4].map((day) => auditEntry(NOON - (100 - day) * DAY, `day-${day}`)),
      );
      const sign = (row: { writer: string; sequence: number; hash: string }) => signAnchor(chainKeys, row);
      expect(await store.records.pruneAudit(NOON - 97.5 * DAY, 100, sign)).toBe(2);
      const verdict = () => verifyChains(store.records, chainKeys, writer);
      expect(await verdict()).toEqual({ ok: true, writers: 1, rows: 2, broken: [] });
      await client.query("update audit_anchor set sequence = 3 where writer = $1", [writer]);
      expect((await verdict()).broken).toMatchObject([{ reason: "the anchor of dropped rows is not ours" }]);
    });

    it("lists by filters, page by page, newest first", async () => {
      await writeAudit(
        store,
        Array.from({ length: 7 }, (_, index) => auditEntry(NOON + index, `${run}.${index % 2}`)),
      );
      const first = await store.records.listAudit({ where: { action: `${run}.0` }, limit: 3 });
      expect(first.rows.map(({ at }) => at)).toEqual([NOON + 6, NOON + 4, NOON + 2]);
      const rest = await store.records.listAudit({
        where: { action: `${run}.0` },
        limit: 3,
        ...(first.next === undefined ? {} : { before: first.next }),
      });
      expect([rest.rows.map(({ at }) => at), rest.next]).toEqual([[NOON], undefined]);
      const between = { where: { action: `${run}.1` }, limit: 9, from: NOON + 2, until: NOON + 5 };
      expect((await store.records.listAudit(between)).rows.map(({ at }) => at)).toEqual([NOON + 3]);
    });

    it("drops hours and writers whose time is over, names the writers of chains, and says how much it holds", async () => {
      const writer = await writeAudit(store, [auditEntry(NOON, "sized")]);
      expect(await store.records.auditWriters(writer.slice(0, -1), 1)).toEqual([writer]);
      await store.records.writeCalls(batch(), [callRow(NOON, 5), callRow(NOON + DAY, 5)]);
      await store.records.rollUpCalls(NOON + 2 * DAY, 1);
      expect((await figures())[0]?.calls).toBe(2);
      await store.records.dropCalls(NOON + 2 * DAY, 1);
      expect(await store.records.pruneFigures(NOON + HOUR, Date.now() - HOUR, 100)).toBe(1);
      expect((await figures())[0]?.calls).toBe(1);
      expect(await store.records.pruneFigures(NOON + HOUR, Date.now() - HOUR, 100)).toBe(0);
      // Rows are the planner's estimates: how many there are is not known before a vacuum.
      const some = expect.any(Number);
      expect(await store.records.sizes()).toEqual({
        addedUpUntil: new Date(NOON + 2 * DAY).toISOString(),
        rows: { audit_row: some, call_metric: some, call_metric_hour: some, log_row: some, security_row: some },
      });
    });

    it("holds the security log and log lines until their time is over", async () => {
      const event = {
        kind: "auth.refused",
        severity: "low",
        principal: null,
        remote: run,
        detail: "d",
        correlationId: "c",
      } as const;
      const line = { level: "warn", event: "e", worker: "w", correlationId: run, fields: "{}" };
      await store.records.writeSecurity(batch(), [
        { ...event, at: NOON, times: 3 },
        { ...event, at: NOON + DAY, times: 1 },
      ]);
      await store.records.writeLog(batch(), [
        { ...line, at: NOON },
        { ...line, at: NOON + DAY },
      ]);
      expect((await store.records.listSecurity({ where: { remote: run }, limit: 5 })).rows).toMatchObject([
        { ...event, at: NOON + DAY, times: 1 },
        { ...event, at: NOON, times: 3 },
      ]);
      expect(await store.records.pruneEvents(NOON + HOUR, 100)).toBe(2);
      expect((await store.records.listLog({ where: { correlationId: run }, limit: 5 })).rows).toMatchObject([
        { ...line, at: NOON + DAY },
      ]);
    });
  });
}

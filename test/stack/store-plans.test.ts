/**
 * Every statement of the store, as it is sent, explained by a real PostgreSQL on tables that are full: none reads a big table from one
 * end to the other, but those that are there to read all of it.
 */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSealer } from "../../gateway/sessions/index.ts";
import { migrateDatabase, openStore, type Store } from "../../gateway/store/index.ts";
import { signAnchor } from "../../gateway/telemetry/index.ts";
import { silentLog } from "../gateway/coordination/log.ts";
import { admin, gatewayInput, keyOf, listing } from "../gateway/store/conformance.ts";
import { bigTables, captured, waysOf } from "../gateway/store/plans.ts";
import { callerOperations, describePlans } from "../gateway/store/plans-conformance.ts";
import { auditEntry, callRow, chainKeys, NOON, writeAudit } from "../gateway/store/records-conformance.ts";
import { type Daemon, missing, startPostgres, titled } from "../harness/index.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Twenty thousand of most things. Rows that statements change are made by the store itself. */
const FILL = `
insert into gateway (id, slug, name, description, transport, url, args, isolation, era, auth_type, passthrough_headers, tags, visibility,
  enabled, reachable, source, revision)
select 'g' || n, 'g' || n, 'g' || n, '', 'STREAMABLEHTTP', 'http://127.0.0.1:1/', '{}', 'shared', 'auto', 'none', '{}', array['t' || n % 500],
  'public', true, true, 'api', 'r' from generate_series(1, 2000) n;
insert into item (id, gateway_id, kind, original_name, name_digest, definition, tags, visibility)
select 'i' || n, 'g' || (1 + n % 2000), (array['tool', 'resource', 'prompt'])[1 + n % 3], 'name' || n,
  encode(sha256(('name' || n)::bytea), 'hex'), '{}', array['t' || n % 500], 'public' from generate_series(1, 20000) n;
insert into virtual_server (id, name, description, tags, prefix_mode, failure_mode, visibility, enabled)
select 's' || n, 's' || n, '', '{}', 'conditional', 'open', 'public', true from generate_series(1, 2000) n;
insert into virtual_server_gateway (server_id, gateway_id) select 's' || n, 'g' || n from generate_series(1, 2000) n;
insert into virtual_server_item (server_id, item_id) select 's' || (1 + n % 2000), 'i' || n from generate_series(1, 20000) n;
insert into shared_values (key, value, expires_at) select 'k' || n, 'v', now() + interval '1 hour' from generate_series(1, 20000) n;
insert into shared_maps (key, fields, expires_at) select 'k' || n, '{}', now() + interval '1 hour' from generate_series(1, 20000) n;
insert into shared_logs (log, generation, newest, dropped, expires_at)
select 'l' || n, n, 1, 0, now() + interval '1 hour' from generate_series(1, 20000) n;
insert into shared_log_entries (generation, sequence, entry) select n, 1, 'e' from generate_series(1, 20000) n;
insert into shared_messages (channel, message) select 'c', 'm' from generate_series(1, 20000) n;
insert into shared_buckets (key, tokens, taken, at, expires_at)
select 'b' || n, 1, 1, now(), now() + interval '1 hour' from generate_series(1, 20000) n;
create table call_metric_20260612 partition of call_metric for values from ('2026-06-12Z') to ('2026-06-13Z');
create table call_metric_20260613 partition of call_metric for values from ('2026-06-13Z') to ('2026-06-14Z');
insert into call_metric (at, kind, gateway_id, gateway_slug, name, server_id, outcome, ms, bucket)
select '2026-06-12Z'::timestamptz + n * interval '1.7 seconds', 'tool', 'g' || n % 50, 'up', 'name' || n % 500, 's' || n % 20, 'ok', 5, 66
from generate_series(1, 100000) n;
insert into call_metric_hour (hour, kind, gateway_id, gateway_slug, name, server_id, calls, failures, total_ms, min_ms, max_ms, last_at,
  outcomes, buckets)
select '2026-01-01Z'::timestamptz + (n / 20) * interval '1 hour', 'tool', 'g' || n % 20, 'up', 'name' || n % 500, '', 1, 0, 1, 1, 1,
  '2026-01-01Z', '{}', '{"66": 1}' from generate_series(1, 60000) n;
insert into audit_row (writer, sequence, at, correlation_id, principal, principal_kind, remote, method, action, resource_type, resource_id,
  status, outcome, dropped, key_id, previous, hash)
select 'w' || n % 20, n, '2026-01-01Z'::timestamptz + n * interval '1 minute', 'c' || n, 'p' || n % 100, 'jwt', '', 'POST', 'a' || n % 30,
  'type' || n % 9, 'r' || n % 2000, 200, case when n % 50 = 0 then 'MCPS_FORBIDDEN' else 'ok' end, 0, 'k', '', ''
from generate_series(1, 50000) n;
insert into security_row (at, kind, severity, remote, detail, correlation_id, times)
select '2026-01-01Z'::timestamptz + n * interval '1 minute', 'k' || n % 9, case when n % 100 = 0 then 'high' else 'low' end, 'r' || n % 1000, '', '', 1
from generate_series(1, 50000) n;
insert into log_row (at, level, event, worker, correlation_id, fields)
select '2026-01-01Z'::timestamptz + n * interval '1 minute', case when n % 100 = 0 then 'warn' else 'info' end, 'e' || n % 200, 'w' || n % 20,
  'c' || n, '{}' from generate_series(1, 50000) n;
insert into record_batch (writer, batch, at) select 'b' || n, 1, now() from generate_series(1, 20000) n`;

/** Reading all of it is what these are for. */
const WHOLE: Readonly<Record<string, string>> = {
  loadSnapshot: "the whole catalogue, when it has changed",
  findItems: "when somebody makes a virtual server of names: any item of any upstream may be meant",
  allGateways: "all upstreams, at the start",
  "records.resetCalls all": "everything goes",
};

/** They ask the database nothing of their own, or what has no table. */
const WITHOUT_TABLE = ["sharedState", "records", "together", "ping", "gauges", "figures", "releaseIdle", "close"];

const noPostgres = missing("postgres");
describe.skipIf(noPostgres !== undefined)(titled("statements on full tables", noPostgres), () => {
  let server: Daemon;
  let store: Store;
  let client: pg.Client;

  beforeAll(async () => {
    server = await startPostgres();
    await migrateDatabase(server.url, silentLog);
    client = new pg.Client(server.url);
    await client.connect();
    for (const statement of FILL.split(";")) await client.query(statement);
    await client.query("update record_mark set at = '2026-06-13T12:00Z'");
    await client.query("analyze");
    store = await openStore({
      url: server.url,
      poolSize: 2,
      poolTimeoutMs: 10_000,
      log: silentLog,
      sealing: createSealer([keyOf("k")]),
    });
  });
  afterAll(async () => {
    await store?.close();
    await client?.end();
    await server?.stop();
  });

  function registryOperations(gatewayId: string, itemId: string): Record<string, () => Promise<unknown>> {
    const page = { limit: 50, after: 100, includeInactive: false };
    const ann = { id: "ann", kind: "jwt", admin: false, teams: ["t1"] } as const;
    const serverInput = {
      name: "planned",
      description: "",
      icon: null,
      tags: [],
      gatewayIds: [gatewayId],
      itemIds: [itemId],
      prefixMode: "conditional",
      failureMode: "open",
      visibility: "public",
      teamId: null,
      ownerEmail: null,
      enabled: true,
    } as const;
    return {
      createGateway: () => store.createGateway(gatewayInput("created"), listing("one")),
      loadSnapshot: () => store.loadSnapshot(),
      catalogueVersion: () => store.catalogueVersion(),
      allGateways: () => store.allGateways(),
      listGateways: () => store.listGateways(page, ann),
      "listGateways tags": () => store.listGateways({ ...page, tags: ["t7"] }, admin),
      getGateway: () => store.getGateway(gatewayId),
      updateGateway: () => store.updateGateway(gatewayId, { description: "d" }),
      recordInspection: () => store.recordInspection(gatewayId, listing("one", "a", "b")),
      listItems: () => store.listItems(["tool"], page, ann),
      "listItems of a gateway": () => store.listItems(["tool"], { ...page, gatewayId: "g5" }, admin),
      getItem: () => store.getItem(["tool"], "i3"),
      findItems: () => store.findItems(["tool"], ["i3", "name4", "g5__name5"], "__"),
      updateItem: () => store.updateItem(["tool"], itemId, { description: "d" }),
      deleteItem: () => store.deleteItem(itemId),
      listServers: () => store.listServers(page, ann),
      getServer: () => store.getServer("s5"),
      createServer: () => store.createServer(serverInput, "planned"),
      updateServer: () => store.updateServer("planned", { description: "d" }),
      deleteServer: () => store.deleteServer("planned"),
      deleteGateway: () => store.deleteGateway(gatewayId),
    };
  }

  function stateOperations(): Record<string, () => Promise<unknown>> {
    const state = store.sharedState;
    return {
      getValue: () => state.getValue("k5"),
      setValue: () => state.setValue("k5", "v", 1000, false),
      deleteValue: () => state.deleteValue("k5"),
      getMap: () => state.getMap("k5"),
      setField: () => state.setField("k5", "f", "v", 1000, false),
      deleteField: () => state.deleteField("k5", "f"),
      appendEntry: () => state.appendEntry("l5", "e", 10, 60_000, undefined),
      readEntries: () => state.readEntries("l5", 0),
      renewLog: () => state.renewLog("l5", 1000),
      insertMessages: () => state.insertMessages([{ channel: "c", message: "m" }]),
      messagePosition: () => state.messagePosition(),
      pollMessages: async () => state.pollMessages((await state.messagePosition()).position, ["c"]),
      sweep: () => state.sweep(100, 60_000),
      acquireLease: () => state.acquireLease("planned", "me", 1000),
      releaseLease: () => state.releaseLease("planned", "me"),
      putFenced: () => state.putFenced("k6", "v", 1000, 1),
      takeTokens: () => state.takeTokens("b5", 1, 10, 0.01),
      sweepLeases: () => state.sweepLeases(100),
      ping: () => state.ping(),
    };
  }

  function recordOperations(): Record<string, () => Promise<unknown>> {
    const { records } = store;
    const batch = () => ({ writer: randomUUID(), number: 1 });
    const list = { limit: 50, before: "40000" };
    const span = { from: NOON - 10 * DAY, until: NOON, limit: 20 };
    const event = { at: NOON, correlationId: "", detail: "", remote: "", times: 1, principal: null };
    const line = { at: NOON, level: "info", event: "e", worker: null, correlationId: null, fields: "{}" };
    return {
      writeCalls: () => records.writeCalls(batch(), [callRow(NOON - 2 * DAY, 5)]),
      "figures by item": () => records.figures({ ...span, group: "item", order: "calls", from: NOON - 2.2 * DAY }),
      "figures of an item": () =>
        records.figures({ ...span, group: "item", order: "calls", kind: "tool", gatewayId: "g7", name: "name7" }),
      "figures of a server": () =>
        records.figures({ ...span, group: "server", order: "calls", serverId: "s3", from: NOON - 2.2 * DAY }),
      rollUpCalls: () => records.rollUpCalls(NOON - 2 * DAY + 2 * HOUR, 1),
      dropCalls: () => records.dropCalls(NOON - 100 * DAY, 1),
      "resetCalls of an item": () => records.resetCalls({ gatewayId: "g7", kind: "tool", name: "name7" }),
      writeAudit: () => writeAudit(store, [auditEntry(NOON, "planned")]),
      "listAudit all": () => records.listAudit({ ...list, where: {} }),
      "listAudit principal": () => records.listAudit({ ...list, where: { principal: "p7" } }),
      "listAudit resource": () => records.listAudit({ ...list, where: { resourceType: "type3", resourceId: "r3" } }),
      "listAudit action": () => records.listAudit({ ...list, where: { action: "a7" } }),
      "listAudit correlation": () => records.listAudit({ ...list, where: { correlationId: "c7" } }),
      "listAudit outcome": () => records.listAudit({ ...list, where: { outcome: "MCPS_FORBIDDEN" } }),
      "listAudit time": () =>
        records.listAudit({ ...list, where: {}, from: Date.UTC(2026, 0, 5), until: Date.UTC(2026, 0, 6) }),
      auditWriters: () => records.auditWriters("", 100),
      auditChain: () => records.auditChain("w7", 100, 100),
      auditAnchor: () => records.auditAnchor("w7"),
      pruneAudit: () => records.pruneAudit(Date.UTC(2026, 0, 2), 100, (row) => signAnchor(chainKeys, row)),
      writeSecurity: () => records.writeSecurity(batch(), [{ ...event, kind: "auth.ok", severity: "low" }]),
      "listSecurity all": () => records.listSecurity({ ...list, where: {} }),
      "listSecurity kind": () => records.listSecurity({ ...list, where: { kind: "k3" } }),
      "listSecurity remote": () => records.listSecurity({ ...list, where: { remote: "r3" } }),
      "listSecurity high": () => records.listSecurity({ ...list, where: { severity: "high" } }),
      writeLog: () => records.writeLog(batch(), [line]),
      "listLog all": () => records.listLog({ ...list, where: {} }),
      "listLog warn": () => records.listLog({ ...list, where: { level: "warn" } }),
      "listLog event": () => records.listLog({ ...list, where: { event: "e7" } }),
      "listLog correlation": () => records.listLog({ ...list, where: { correlationId: "c7" } }),
      pruneEvents: () => records.pruneEvents(Date.UTC(2026, 0, 2), 100),
      pruneFigures: () => records.pruneFigures(Date.UTC(2026, 0, 2), Date.now() - 7 * DAY, 100),
      sizes: () => records.sizes(),
      "resetCalls all": () => records.resetCalls(),
    };
  }

  it("use an index", { timeout: 180_000 }, async () => {
    const { id } = await store.createGateway(gatewayInput("planned"), listing("one", "two"));
    const [item] = (
      await store.listItems(["tool"], { limit: 1, after: 0, includeInactive: true, gatewayId: id }, admin)
    ).rows;
    const groups = [
      ["", registryOperations(id, item?.id ?? "")],
      ["state.", stateOperations()],
      ["records.", recordOperations()],
    ] as const;
    for (const [prefix, names] of [
      ["", Object.keys(store).filter((name) => !WITHOUT_TABLE.includes(name))],
      ["state.", Object.keys(store.sharedState)],
      ["records.", Object.keys(store.records)],
    ] as const) {
      const covered = Object.keys(Object.fromEntries(groups.map(([key, value]) => [key, value]))[prefix] ?? {});
      if (prefix === "") covered.push(...Object.keys(callerOperations(store)));
      const firsts = new Set(covered.map((name) => name.split(/[ ,]/)[0]));
      expect(names.filter((name) => !firsts.has(name))).toEqual([]);
    }
    const statements = await captured(client, async (as) => {
      for (const [prefix, operations] of groups)
        for (const [name, run] of Object.entries(operations)) {
          as(`${prefix}${name}`);
          await run();
        }
    });
    expect(statements.length).toBeGreaterThan(80);

    const big = await bigTables(client);
    expect(big.size).toBeGreaterThan(12);
    // Without an index it would show.
    expect((await waysOf(client, "select 1 from audit_row where remote = 'x'")).scanned).toEqual(["audit_row"]);
    const offences: string[] = [];
    for (const { operation: of, text, values } of statements) {
      if (WHOLE[of] !== undefined) continue;
      const found = (await waysOf(client, text, values)).scanned.filter((table) => big.has(table));
      offences.push(...found.map((table) => `${of}: ${table}: ${text.replaceAll(/\s+/g, " ").slice(0, 160)}`));
    }
    expect([...new Set(offences)]).toEqual([]);
  });

  describePlans("PostgreSQL", async () => server.url);
});

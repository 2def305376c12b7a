/**
 * `node bench/rows.ts`: 10 000 rows of calls into a real PostgreSQL, by COPY, by inserts of many rows and by one insert each, as ratios of
 * the same run. DATABASE_URL names another database than one of its own; its records are forgotten.
 */
import { performance } from "node:perf_hooks";
import { createSealer } from "../gateway/sessions/index.ts";
import { type CallRow, migrateDatabase, openStore, type Store } from "../gateway/store/index.ts";
import { bucketOf, createLog } from "../gateway/telemetry/index.ts";
import { startPostgres } from "../test/harness/index.ts";

const ROWS = 10_000;
const ROUNDS = 5;
const START = Date.UTC(2026, 0, 1);

const log = createLog({ level: "error", format: "text" });
const given = process.argv[2];
const server = given === undefined ? await startPostgres({ fsync: "on" }) : undefined;
const url = given ?? server?.url ?? "";
const sealing = createSealer([{ id: "bench", secret: Buffer.alloc(32) }]);
const open = (canCopy: boolean) => openStore({ url, poolSize: 2, poolTimeoutMs: 30_000, sealing, log, canCopy });

const rows: readonly CallRow[] = Array.from({ length: ROWS }, (_, index) => ({
  at: START + index * 10,
  kind: "tool",
  gatewayId: `00000000-0000-4000-8000-${String(index % 20).padStart(12, "0")}`,
  gatewaySlug: `upstream-${index % 20}`,
  name: `tool-${index % 200}`,
  serverId: index % 3 === 0 ? "server" : "",
  outcome: index % 50 === 0 ? "tool_error" : "ok",
  ms: 1 + (index % 300),
  bucket: bucketOf(1 + (index % 300)),
}));
let batches = 0;
const write = (store: Store, some: readonly CallRow[]) =>
  store.records.writeCalls({ writer: "bench", number: ++batches }, some);

await migrateDatabase(url, log);
const [copying, inserting] = [await open(true), await open(false)];
const ways: Readonly<Record<string, () => Promise<void>>> = {
  COPY: () => write(copying, rows),
  "inserts of 500 rows": () => write(inserting, rows),
  // A tenth of them: it is slow enough.
  "an insert each": async () => {
    for (const row of rows.slice(0, ROWS / 10)) await write(inserting, [row]);
  },
};
const times = new Map<string, number[]>();
for (let round = 0; round <= ROUNDS; round++)
  for (const [way, work] of Object.entries(ways)) {
    await copying.records.resetCalls();
    const startedAt = performance.now();
    await work();
    const ms = (performance.now() - startedAt) * (way === "an insert each" ? 10 : 1);
    // The first round warms up.
    if (round > 0) times.set(way, [...(times.get(way) ?? []), ms]);
  }
const median = (values: readonly number[]) => [...values].sort((one, other) => one - other)[values.length >> 1] ?? 0;
const reference = median(times.get("COPY") ?? []);
process.stdout.write(`${ROWS} rows of calls, median of ${ROUNDS} rounds\n`);
for (const [way, values] of times) {
  const ms = median(values);
  process.stdout.write(
    `${way.padEnd(20)} ${ms.toFixed(0).padStart(7)} ms  ${(ms / reference).toFixed(2).padStart(6)} × COPY\n`,
  );
}
await copying.records.resetCalls();
await Promise.all([copying.close(), inserting.close()]);
await server?.stop();

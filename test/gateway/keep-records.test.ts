/** Settings of the upkeep of records: each changes what is asked of the database, and nothing else. */
import { describe, expect, it } from "vitest";
import type { Settings } from "../../contract/settings.ts";
import { keepRecords } from "../../gateway/keep-records.ts";
import { loadSettings } from "../../gateway/settings/index.ts";
import type { RecordRepository } from "../../gateway/store/index.ts";
import { silentLog } from "./coordination/log.ts";

const DAY = 86_400_000;
const HOUR = 3_600_000;
const NOW = 1_000 * DAY;

type Asked = readonly [what: string, ...values: (number | undefined)[]];

/** What one clean-up and one roll-up ask for with these settings. */
async function asked(env: Readonly<Record<string, string>>): Promise<readonly Asked[]> {
  const { settings } = loadSettings({ env, directory: "/nonexistent" });
  const calls: Asked[] = [];
  const asks =
    <Answer>(what: string, answer: Answer) =>
    async (...values: readonly unknown[]): Promise<Answer> => {
      calls.push([what, ...values.map((value) => (typeof value === "number" ? value : undefined))]);
      return answer;
    };
  const records: Pick<RecordRepository, "dropCalls" | "pruneFigures" | "pruneEvents" | "pruneAudit" | "rollUpCalls"> = {
    dropCalls: asks("dropCalls", []),
    pruneFigures: asks("pruneFigures", 0),
    pruneEvents: asks("pruneEvents", 0),
    pruneAudit: asks("pruneAudit", 0),
    rollUpCalls: asks("rollUpCalls", NOW),
  };
  const upkeep = keepRecords({
    settings,
    records: records as RecordRepository,
    keys: [{ id: "k", secret: Buffer.alloc(32) }],
    now: () => NOW,
    log: silentLog,
  });
  await upkeep.cleanUp();
  await upkeep.rollUp();
  return calls;
}

const defaults: readonly Asked[] = await asked({});
const whole = (settings: Partial<Record<keyof Settings, string>>) => asked(settings as Record<string, string>);
/** What is asked otherwise than by default, by its place. */
function changes(found: readonly Asked[]): readonly Asked[] {
  return found.filter((one, at) => JSON.stringify(one) !== JSON.stringify(defaults[at]));
}

describe("upkeep of records", () => {
  it.each([
    [{ METRICS_RETENTION_DAYS: "2" }, [["dropCalls", NOW - 2 * DAY, undefined]]],
    [{ METRICS_ROLLUP_RETENTION_DAYS: "30" }, [["pruneFigures", NOW - 30 * DAY, NOW - 7 * DAY, 10_000]]],
    [{ LOG_RETENTION_DAYS: "3" }, [["pruneEvents", NOW - 3 * DAY, 10_000]]],
    [{ AUDIT_TRAIL_RETENTION_DAYS: "400" }, [["pruneAudit", NOW - 400 * DAY, 10_000, undefined]]],
    [{ METRICS_DELETE_RAW_AFTER_ROLLUP_HOURS: "5" }, [["dropCalls", NOW - 5 * HOUR, 1]]],
    [{ METRICS_BUFFER_FLUSH_INTERVAL: "120" }, [["rollUpCalls", NOW - 240_000, 1]]],
  ] as const)("%j", async (settings, expected) => {
    expect(changes(await whole(settings))).toEqual(expected);
  });

  it("drops single rows that are added up, unless it shall not or nothing is added up", async () => {
    const drops = (calls: readonly Asked[]) => calls.filter(([what]) => what === "dropCalls").length;
    expect(drops(defaults)).toBe(2);
    expect(drops(await whole({ METRICS_DELETE_RAW_AFTER_ROLLUP: "false" }))).toBe(1);
    expect(drops(await whole({ METRICS_ROLLUP_ENABLED: "false" }))).toBe(1);
  });

  it("adds late rows for as long as it is told, and drops none before", async () => {
    const late = (calls: readonly Asked[]) =>
      calls.flatMap(([what, , hours]) => (what === "rollUpCalls" || what === "dropCalls" ? [hours] : []));
    expect(late(defaults)).toEqual([undefined, 1, 1]);
    expect(late(await whole({ METRICS_ROLLUP_LATE_DATA_HOURS: "4" }))).toEqual([undefined, 4, 4]);
  });

  it("drops in batches of the size that it is told", async () => {
    const sizes = (await whole({ METRICS_CLEANUP_BATCH_SIZE: "500" })).flatMap(([what, ...values]) =>
      what.startsWith("prune") ? [values.find((value) => value !== undefined && value < DAY)] : [],
    );
    expect(sizes).toEqual([500, 500, 500]);
  });
});

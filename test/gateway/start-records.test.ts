/** Settings of what is written down: each changes what a worker records. */
import { describe, expect, it } from "vitest";
import { loadSettings } from "../../gateway/settings/index.ts";
import { openRecords } from "../../gateway/start-records.ts";
import type { Store } from "../../gateway/store/index.ts";
import { Teardown } from "../../gateway/teardown.ts";
import { createMetrics } from "../../gateway/telemetry/index.ts";
import { silentLog } from "./coordination/log.ts";

const SECRET = "0123456789abcdef0123456789abcdef";

function opened(env: Readonly<Record<string, string>>) {
  const { settings } = loadSettings({ env, directory: "/nonexistent" });
  const written: unknown[] = [];
  const write = async (...values: readonly unknown[]) => void written.push(...values.flat());
  const records = { writeAudit: write, writeSecurity: write, writeCalls: write, writeLog: write };
  const teardown = new Teardown(silentLog);
  const found = openRecords({
    settings,
    store: { records } as unknown as Store,
    encryptionSecret: SECRET,
    workerId: "w",
    log: silentLog,
    metrics: createMetrics(),
    teardown,
  });
  return { ...found, written, teardown };
}
const kinds = (env: Readonly<Record<string, string>>) => Object.keys(opened(env).buffers()).sort();

describe("what a worker writes down", () => {
  it.each([
    [{}, ["calls"]],
    [{ DB_METRICS_RECORDING_ENABLED: "false" }, []],
    [{ AUDIT_TRAIL_ENABLED: "true" }, ["audit", "calls"]],
    [{ PERMISSION_AUDIT_ENABLED: "true" }, ["audit", "calls"]],
    [{ SECURITY_LOGGING_ENABLED: "true" }, ["calls", "security"]],
    [{ STRUCTURED_LOGGING_DATABASE_ENABLED: "true" }, ["calls", "log"]],
  ])("%j: %j", (env, expected) => {
    expect(kinds(env as Record<string, string>)).toEqual(expected);
  });

  it("is reads too, with the permission, where permissions are audited", () => {
    expect(opened({ AUDIT_TRAIL_ENABLED: "true" }).changes.withReads).toBe(false);
    expect(opened({ PERMISSION_AUDIT_ENABLED: "true" }).changes.withReads).toBe(true);
  });

  it("is what changes write that still run when nothing new comes any more", async () => {
    const { changes, finishChanges, written, teardown } = opened({ AUDIT_TRAIL_ENABLED: "true" });
    const made = Promise.withResolvers<void>();
    const entry = {
      ...{ at: 1, correlationId: "c", principal: "ann", principalKind: "jwt", tokenId: null, remote: "10.0.0.1" },
      ...{ method: "POST", action: "gateways.create", resourceType: "gateways", resourceId: "g1", status: 201 },
      ...{ outcome: "ok", change: null },
    };
    void changes.running.follow(made.promise.then(() => changes.audit?.addNow(entry)));
    const finished = finishChanges();
    made.resolve();
    await finished;
    expect(written).toMatchObject([{ action: "gateways.create", outcome: "ok" }]);
    await teardown.run();
    expect(written.length).toBe(1);
  });

  it.each([
    ["all", ["auth.ok low", "auth.refused low", "auth.refused high", "tool.quarantined high"]],
    ["failures_only", ["auth.refused low", "auth.refused high", "tool.quarantined high"]],
    ["high_severity", ["auth.refused high", "tool.quarantined high"]],
  ])("is of the security log what SECURITY_LOGGING_LEVEL=%s lets in", async (level, expected) => {
    const { security, written, flush } = opened({
      ...{ SECURITY_LOGGING_ENABLED: "true", SECURITY_LOGGING_LEVEL: level },
      ...{ SECURITY_FAILED_AUTH_THRESHOLD: "2", SECURITY_RATE_LIMIT_WINDOW_MINUTES: "1" },
    });
    const say = (kind: "auth.ok" | "auth.refused" | "tool.quarantined") =>
      security?.record({ kind, remote: "10.0.0.1", detail: "d", correlationId: "" });
    for (const kind of ["auth.ok", "auth.refused", "auth.refused", "tool.quarantined"] as const) say(kind);
    await flush();
    const rows = written.flatMap((row) =>
      typeof row === "object" && row !== null && "severity" in row && "kind" in row
        ? [`${row.kind} ${row.severity}`]
        : [],
    );
    expect(rows).toEqual(expected);
  });
});

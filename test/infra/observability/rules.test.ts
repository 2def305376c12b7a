/** The rule file: what is in it for which variant, its thresholds, its golden copy. */
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { fastWithin, ruleFileOf } from "../../../infra/observability/index.ts";
import { plans } from "../topology/plans.ts";
import { alertOf, alertsOf, bare, complete, direct, variants } from "./watches.ts";

const GOLDEN = resolve(import.meta.dirname, "../../golden/observability");
const prod = ruleFileOf(plans.prod, complete);
const namesOf = (file: ReturnType<typeof ruleFileOf>) => alertsOf(file).map(({ alert }) => alert);

describe("the rule file", () => {
  it("has every alert where everything is watched, each once", () => {
    expect(namesOf(prod)).toEqual([
      "GatewayErrorBudgetBurnFast",
      "GatewayErrorBudgetBurnSlow",
      "GatewayLatencyBudgetBurnFast",
      "GatewayLatencyBudgetBurnSlow",
      "GatewayDown",
      "GatewayReplicasMissing",
      "GatewayReplicasDiffer",
      "GatewayRefusing",
      "GatewayInFlightNearLimit",
      "GatewayStreamsAbovePlan",
      "PlanExceeded",
      "GatewayDatabasePoolSaturated",
      "GatewayStateStoreFailing",
      "GatewayMemoryNearLimit",
      "GatewayEventLoopDelayed",
      "UpstreamUnreachable",
      "UpstreamFailing",
      "NginxDown",
      "NginxConnectionsNearLimit",
      "NginxDroppingConnections",
      "PgbouncerDown",
      "PgbouncerClientsWaiting",
      "PgbouncerWaitNearTimeout",
      "PgbouncerClientsNearLimit",
      "PostgresDown",
      "PostgresConnectionsNearLimit",
      "PostgresLimitNotAsPlanned",
      "PostgresIdleInTransaction",
      "RedisDown",
      "RedisRejectingConnections",
      "RedisConnectionsNearLimit",
      "RedisMemoryNearLimit",
      "RedisEvicting",
      "AutoscalerAtMaximum",
      "DisruptionBudgetBlocked",
      "ContainerRestarting",
      "ContainerOutOfMemory",
      "PostgresVolumeFilling",
      "CertificateExpiring",
      "BackupTooOld",
      "BackupFailed",
      "RestoreTestTooOld",
      "RestoreTestFailed",
    ]);
  });

  it("has none about tiers that tell nothing", () => {
    expect(ruleFileOf(plans.dev, bare).groups.map(({ name }) => name)).toEqual([
      "mcp-stack-dev-requests",
      "mcp-stack-dev-objective",
      "mcp-stack-dev-gateway",
      "mcp-stack-dev-upstreams",
    ]);
  });

  it.each([
    ["no pooler", ruleFileOf(direct, complete), /^Pgbouncer/],
    ["a cache that may be full", ruleFileOf(plans.tiny, complete), /^Redis(?:Evicting|MemoryNearLimit)$/],
    [
      "no autoscaler",
      ruleFileOf({ ...plans.prod, autoscaling: { ...plans.prod.autoscaling, enabled: false } }, complete),
      /^AutoscalerAtMaximum$/,
    ],
    ["a managed database", ruleFileOf(plans.prod, { ...complete, cluster: { postgresClaims: null } }), /^PostgresVol/],
    ["backups of somebody else", ruleFileOf(plans.prod, { ...complete, backup: null }), /^(?:Backup|Restore)/],
    [
      "no restore test",
      ruleFileOf(plans.prod, { ...complete, backup: { cronJob: "backup-.*", restoreTest: null } }),
      /^Restore/,
    ],
    ["no certificate of ours", ruleFileOf(plans.prod, { ...complete, certificate: null }), /^CertificateExpiring$/],
  ])("with %s leaves out exactly its alerts", (_, file, gone) => {
    expect(namesOf(file)).toEqual(namesOf(prod).filter((name) => !gone.test(name)));
  });

  it("gives every alert a severity, its stack, texts and the anchor of its runbook", () => {
    for (const [, plan, watch] of variants)
      for (const { alert, labels, annotations, for: duration } of alertsOf(ruleFileOf(plan, watch))) {
        expect(["critical", "warning"]).toContain(labels.severity);
        expect({ ...labels, severity: "" }).toEqual({ severity: "", stack: watch.stack });
        expect(annotations.summary).toMatch(new RegExp(`^${watch.stack}: .+[^.]$`));
        expect(annotations.description).toMatch(/\.$/);
        expect(annotations.runbook_url).toBe(`https://example.com/docs/runbooks.md#${alert.toLowerCase()}`);
        expect(duration).toMatch(/^\d+[smhd]$/);
      }
  });

  it.each([
    ["availability", 1],
    ["fast", 0.93],
    ["fast", Number.NaN],
  ] as const)("refuses a promise whose alerts could never fire or always would: %s %d", (name, share) => {
    const objective = { ...complete.objective, [name]: share };
    expect(() => ruleFileOf(plans.prod, { ...complete, objective })).toThrow(
      new RangeError(`objective.${name} is ${share}; allowed is more than 0.9306 and less than 1`),
    );
  });

  it.each(variants)("is the golden copy for: %s", async (name, plan, watch) => {
    const text = stringify(ruleFileOf(plan, watch), { lineWidth: 0, aliasDuplicateObjects: false });
    await expect(text).toMatchFileSnapshot(`${GOLDEN}/rules-${name.replaceAll(/\W+/g, "-")}.yaml`);
  });
});

describe("thresholds are the plan's", () => {
  const { gateway, database, postgres, redis, nginx, pgbouncer, mcp, autoscaling, backup } = plans.prod;
  const workers = gateway.workers;
  it.each([
    ["GatewayReplicasMissing", `< ${gateway.replicas.min}`],
    ["GatewayInFlightNearLimit", `> ${Number((0.9 * gateway.inFlightPerWorker * workers).toFixed(6))}`],
    ["GatewayStreamsAbovePlan", `> ${mcp.streamsPerWorker * workers}`],
    ["GatewayDatabasePoolSaturated", `>= ${(database.poolPerWorker + database.overflow) * workers}`],
    ["GatewayMemoryNearLimit", `> ${Number((0.9 * gateway.memoryMiB * 1024 * 1024).toFixed(6))}`],
    ["NginxConnectionsNearLimit", `> ${Number((0.45 * nginx.workerProcesses * nginx.workerConnections).toFixed(6))}`],
    ["PgbouncerWaitNearTimeout", `> ${(pgbouncer?.queryWaitTimeoutS ?? 0) / 2}`],
    ["PgbouncerClientsNearLimit", `> ${Number((0.9 * (pgbouncer?.maxClientConn ?? 0)).toFixed(6))}`],
    [
      "PostgresConnectionsNearLimit",
      `> ${Number((0.9 * (postgres.maxConnections - postgres.reservedConnections)).toFixed(6))}`,
    ],
    ["PostgresLimitNotAsPlanned", `!= ${postgres.maxConnections}`],
    ["RedisConnectionsNearLimit", `> ${Number((0.9 * redis.maxclients).toFixed(6))}`],
    ["RedisMemoryNearLimit", `> ${Number((0.9 * redis.maxmemoryMiB * 1024 * 1024).toFixed(6))}`],
    ["AutoscalerAtMaximum", `>= ${autoscaling.max}`],
    ["BackupTooOld", `> ${(backup.periodH + backup.windowH) * 3600}`],
    ["RestoreTestTooOld", `> ${(168 + backup.windowH) * 3600}`],
  ])("%s ends with %s", (name, end) => {
    expect(alertOf(prod, name).expr.endsWith(` ${end}`)).toBe(true);
  });

  it("fast is the first bound of the histogram at four times the planned mean", () => {
    const withMean = (inFlight: number, gatewayRps: number) =>
      fastWithin({ load: { ...plans.prod.load, inFlight, gatewayRps } });
    expect([withMean(25, 100), withMean(26, 100), withMean(0.1, 100), withMean(0, 0), withMean(9000, 100)]).toEqual([
      1, 2.5, 0.005, 0.001, 60,
    ]);
  });
});

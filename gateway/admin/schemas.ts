/** What this room answers, for its description. */
import * as z from "zod";

const figures = {
  calls: z.int(),
  failures: z.int(),
  errorRate: z.number().min(0).max(1),
  meanMs: z.number(),
  minMs: z.number(),
  maxMs: z.number(),
  /** Each at most 5 % off. */
  p50Ms: z.number(),
  p95Ms: z.number(),
  p99Ms: z.number(),
  lastAt: z.iso.datetime().nullable(),
};
const item = { gatewayId: z.string(), gateway: z.string(), name: z.string(), kind: z.string() };
const page = <Row extends z.ZodType>(row: Row) => z.object({ rows: z.array(row), nextCursor: z.string().nullable() });

const callFigures = z.object(figures);
const topRow = z.union([z.object({ ...item, ...figures }), z.object({ serverId: z.string(), ...figures })]);
const auditRow = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  correlationId: z.string(),
  principal: z.string(),
  principalKind: z.string(),
  tokenId: z.string().nullable(),
  remote: z.string(),
  method: z.string(),
  action: z.string(),
  resourceType: z.string(),
  resourceId: z.string().nullable(),
  status: z.int(),
  outcome: z.string(),
  change: z.unknown(),
  dropped: z.int(),
  writer: z.string(),
  sequence: z.int(),
  hash: z.string(),
});
const securityRow = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  kind: z.string(),
  severity: z.enum(["low", "medium", "high"]),
  principal: z.string().nullable(),
  remote: z.string(),
  detail: z.string(),
  correlationId: z.string(),
  times: z.int(),
});
const logRow = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  level: z.string(),
  event: z.string(),
  worker: z.string().nullable(),
  correlationId: z.string().nullable(),
  fields: z.unknown(),
});
const buffer = z.object({ waiting: z.int(), written: z.int(), dropped: z.int(), failures: z.int() });
const text = z.string().max(300).optional();

export const schemas = {
  CallFigures: callFigures,
  MetricsOverview: z.object({
    from: z.iso.datetime(),
    until: z.iso.datetime(),
    kinds: z.record(z.string(), callFigures),
    top: z.record(z.string(), z.array(topRow)),
  }),
  MetricsTop: z.object({ rows: z.array(topRow) }),
  MetricsTimeseries: z.object({ rows: z.array(z.object({ hour: z.iso.datetime(), ...figures })) }),
  MetricsStats: z.object({
    rows: z.record(z.string(), z.int()),
    addedUpUntil: z.iso.datetime().nullable(),
    buffers: z.record(z.string(), buffer),
  }),
  MetricsDone: z.object({ status: z.literal("success") }).catchall(z.unknown()),
  AuditPage: page(auditRow),
  AuditVerdict: z.object({
    ok: z.boolean(),
    writers: z.int(),
    rows: z.int(),
    broken: z.array(z.object({ writer: z.string(), sequence: z.int(), id: z.string().optional(), reason: z.string() })),
  }),
  SecurityPage: page(securityRow),
  LogPage: page(logRow),
  LogSearch: z.strictObject({
    level: text,
    event: text,
    worker: text,
    correlationId: text,
    from: text,
    until: text,
    limit: z.int().optional(),
    cursor: text,
  }),
  Trace: z.object({ log: z.array(logRow), audit: z.array(auditRow) }),
} as const;

/** PostgreSQL and the pooler in front of it. */
import { POOLER_VERSIONS } from "../../../contract/plan.ts";
import { choice, cpu, flag, memory, optionalWhole, version, whole } from "../field.ts";
import { DOCUMENTS, OURS } from "./sources.ts";

export const database = {
  mode: choice(["pgbouncer", "direct"], {
    description: "Pooler in transaction mode, or connections straight to PostgreSQL",
    fallback: "pgbouncer",
    source: OURS,
  }),
  overflow: whole({
    description: "Connections a worker may open beyond its pool",
    unit: "connections",
    min: 0,
    max: 1000,
    fallback: 0,
    source: "pg-pool has none",
  }),
  pgbouncer: {
    instances: whole({
      description: "PgBouncer processes; with two or more, one may be lost",
      unit: "instances",
      min: 1,
      max: 1000,
      fallback: 1,
      source: OURS,
    }),
    users: whole({
      description: "Users in its auth_file",
      unit: "users",
      min: 1,
      max: 10_000,
      fallback: 1,
      source: OURS,
    }),
    databases: whole({
      description: "Databases it serves",
      unit: "databases",
      min: 1,
      max: 1000,
      fallback: 1,
      source: OURS,
    }),
    forcedUser: flag({
      description: "Every database entry names its user, so that there is one pool per database",
      fallback: true,
      source: OURS,
    }),
    version: version(POOLER_VERSIONS, {
      description: "Version that runs",
      fallback: "1.25",
      source: OURS,
    }),
    txPerSecond: whole({
      description: "Transactions per second that one instance passes on at full use of its core",
      unit: "transactions/s",
      min: 1,
      max: 1_000_000,
      step: 100,
      fallback: 40_000,
      source: "measured: 23 µs of processor time for a transaction of one short query with PgBouncer 1.18",
    }),
    preparedStatements: flag({
      description: "The gateway names its prepared statements",
      fallback: false,
      source: "this project's gateway names none",
    }),
    resetQueryAlways: flag({
      description: "Send the reset query in transaction mode too",
      fallback: false,
      source: "PgBouncer's default",
    }),
  },
  postgres: {
    version: whole({
      description: "Major version that runs",
      unit: "version",
      min: 15,
      max: 18,
      fallback: 18,
      source: DOCUMENTS,
    }),
    cpu: cpu({ description: "Processor limit", min: 0.1, max: 1024 }),
    memory: memory({ description: "Memory, request and limit", min: 256, max: 16 * 1024 * 1024 }),
    disk: choice(["ssd", "nvme"], { description: "Kind of disk", fallback: "ssd", source: OURS }),
    ceiling: optionalWhole({
      description: "max_connections that a managed service allows at most",
      unit: "connections",
      min: 1,
      max: 262_143,
    }),
  },
} as const;

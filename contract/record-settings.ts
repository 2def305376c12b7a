/** Settings of what is written down: metrics of calls, the audit trail, the security log, log lines. */
import { count, milliseconds, minutes, seconds } from "./bounds.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";

export const recordSettings = {
  DB_METRICS_RECORDING_ENABLED: {
    type: "boolean",
    default: true,
    room: "telemetry",
    description: "Write a row for each call of a tool, a resource or a prompt, for the figures under /admin/metrics.",
  },
  METRICS_BUFFER_ENABLED: {
    type: "boolean",
    default: true,
    room: "telemetry",
    description: "Collect rows and write them together; false writes within a second.",
  },
  METRICS_BUFFER_FLUSH_INTERVAL: {
    ...seconds(1, 300),
    default: 60,
    room: "telemetry",
    description: "Rows wait at most this long in memory.",
  },
  METRICS_BUFFER_MAX_SIZE: {
    ...count("rows", 100, 10000),
    default: 1000,
    room: "telemetry",
    description: "So many rows of calls are written at once; ten times as many wait for a database that is away.",
  },
  METRICS_CACHE_ENABLED: {
    type: "boolean",
    default: true,
    room: "admin",
    description: "Keep what was worked out for /admin/metrics.",
  },
  METRICS_CACHE_TTL_SECONDS: {
    ...seconds(1, 300),
    default: 60,
    room: "admin",
    description: "How long figures under /admin/metrics are kept.",
  },
  METRICS_ROLLUP_ENABLED: {
    type: "boolean",
    default: true,
    room: "main",
    description: "Add rows of calls up by the hour; one process of the deployment does it.",
  },
  METRICS_ROLLUP_INTERVAL_HOURS: {
    ...count("hours", 1, 24),
    default: 1,
    room: "main",
    description: "Time between two roll-ups.",
  },
  METRICS_ROLLUP_LATE_DATA_HOURS: {
    ...count("hours", 1, 48),
    default: 1,
    room: "main",
    description: "Hours before the last roll-up that are added up again, for rows that came late.",
  },
  METRICS_ROLLUP_RETENTION_DAYS: {
    ...count("days", 30, 3650),
    default: 365,
    room: "main",
    description: "How long hourly figures are kept.",
  },
  METRICS_CLEANUP_ENABLED: {
    type: "boolean",
    default: true,
    room: "main",
    description: "Drop records past their time; one process of the deployment does it.",
  },
  METRICS_CLEANUP_INTERVAL_HOURS: {
    ...count("hours", 1, 168),
    default: 1,
    room: "main",
    description: "Time between two clean-ups.",
  },
  METRICS_CLEANUP_BATCH_SIZE: {
    ...count("rows", 100, 100000),
    default: 10000,
    room: "main",
    description: "Rows that one statement of the clean-up deletes at most.",
  },
  METRICS_CLEANUP_BATCH_SLEEP_MS: {
    ...milliseconds(0, 5000),
    default: 50,
    room: "main",
    description: "Pause between two such statements.",
  },
  METRICS_RETENTION_DAYS: {
    ...count("days", 1, 365),
    default: 7,
    room: "main",
    description: "How long the days of single rows are kept that no roll-up has added up.",
  },
  METRICS_DELETE_RAW_AFTER_ROLLUP: {
    type: "boolean",
    default: true,
    room: "main",
    description: "Drop a day of single rows once all of it is added up; false keeps it for METRICS_RETENTION_DAYS.",
  },
  METRICS_DELETE_RAW_AFTER_ROLLUP_HOURS: {
    ...count("hours", 1, 8760),
    default: 1,
    room: "main",
    description: "How long after that.",
  },
  AUDIT_TRAIL_ENABLED: {
    type: "boolean",
    default: false,
    room: "main",
    description: "Write down who changed what through REST, in rows that are chained so that a change of them shows.",
  },
  AUDIT_TRAIL_CALLS: {
    type: "boolean",
    default: false,
    room: "main",
    description: "The audit trail holds calls of tools, resources and prompts too, without arguments and results.",
  },
  AUDIT_TRAIL_RETENTION_DAYS: {
    ...count("days", 2, 3650),
    default: 365,
    room: "main",
    description: "How long rows of the audit trail are kept.",
  },
  PERMISSION_AUDIT_ENABLED: {
    type: "boolean",
    default: false,
    room: "main",
    description: "The audit trail holds each REST request with the permission that it was let in for, reads too.",
  },
  SECURITY_LOGGING_ENABLED: {
    type: "boolean",
    default: false,
    room: "main",
    description: "Write down refused tokens, forbidden tries, lockouts, blocked addresses and quarantines.",
  },
  SECURITY_LOGGING_LEVEL: {
    type: "enum",
    default: "failures_only",
    allowed: ["all", "failures_only", "high_severity"],
    room: "main",
    description: "`all`: callers that were let in as well, one row for each and minute.",
  },
  SECURITY_FAILED_AUTH_THRESHOLD: {
    ...count("tries", 1, 10000),
    default: 5,
    room: "telemetry",
    description:
      "So many refused tokens from one address within SECURITY_RATE_LIMIT_WINDOW_MINUTES are of high severity.",
  },
  SECURITY_RATE_LIMIT_WINDOW_MINUTES: {
    ...minutes(1, 1440),
    default: 5,
    room: "telemetry",
    description: "Time within which refused tokens of one address are counted.",
  },
  STRUCTURED_LOGGING_DATABASE_ENABLED: {
    type: "boolean",
    default: false,
    room: "main",
    description: "Log lines of workers are rows of the database as well, for /admin/logs.",
  },
  LOG_RETENTION_DAYS: {
    ...count("days", 1, 3650),
    default: 30,
    room: "main",
    description: "How long log rows and the security log are kept.",
  },
  LOG_SEARCH_MAX_RESULTS: {
    ...count("rows", 1, 10000),
    default: 1000,
    room: "admin",
    description: "Most rows of one answer of the log, the security log and the audit trail.",
  },
} as const satisfies Record<string, SettingDeclaration>;

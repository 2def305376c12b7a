/** Variants of what is watched, and the rules and names in what is written for them. */
import type { Plan } from "../../../contract/plan.ts";
import type { AlertRule, RuleFile, Watch } from "../../../infra/observability/index.ts";
import { plans } from "../topology/plans.ts";

/** Kubernetes with everything that can be watched. */
export const complete: Watch = {
  stack: "prod",
  namespace: "mcp",
  gateway: { job: "gateway" },
  nginx: { job: "nginx-exporter" },
  pgbouncer: { job: "pgbouncer-exporter" },
  postgres: { job: "postgres-exporter" },
  redis: { job: "redis-exporter" },
  cluster: { postgresClaims: "data-postgres-.*" },
  backup: { cronJob: "backup-.*", restoreTest: { cronJob: "restore-test-.*", periodH: 168 } },
  certificate: "edge",
  objective: { availability: 0.999, fast: 0.95 },
  runbooks: "https://example.com/docs/runbooks.md",
};

/** Processes of one machine: the gateway tells about itself, nothing else does. */
export const bare: Watch = {
  ...complete,
  stack: "dev",
  namespace: null,
  nginx: { job: null },
  pgbouncer: { job: null },
  postgres: { job: null },
  redis: { job: null },
  cluster: null,
  backup: null,
  certificate: null,
};

/** The same plan with the gateway speaking to PostgreSQL itself. */
export const direct: Plan = {
  ...plans.prod,
  database: { ...plans.prod.database, mode: "direct" },
  pgbouncer: null,
};

export const variants: readonly (readonly [name: string, plan: Plan, watch: Watch])[] = [
  ["everything", plans.prod, complete],
  ["no pooler", direct, complete],
  ["one machine without exporters", plans.dev, bare],
  ["one machine, everything watched", plans.dev, complete],
  ["a cache that may forget", plans.tiny, complete],
];

export function alertsOf({ groups }: RuleFile): readonly AlertRule[] {
  return groups.flatMap(({ rules }) => rules.filter((rule) => "alert" in rule));
}

export function alertOf(file: RuleFile, name: string): AlertRule {
  const found = alertsOf(file).find(({ alert }) => alert === name);
  if (found === undefined) throw new Error(`there is no alert ${name}`);
  return found;
}

const WORDS = new Set(["and", "or", "unless", "by", "on", "without", "ignoring", "group_left", "group_right"]);

/** Names of series in a PromQL expression: what is neither a function, a word, a label, a string nor a duration. */
export function seriesIn(expr: string): readonly string[] {
  const bare = expr
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/\{[^}]*\}/g, "")
    .replace(/\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)/g, "")
    .replace(/\[[^\]]*\]/g, "");
  const words = bare.matchAll(/(?<![\w.:])[A-Za-z_:][\w:]*(?![\w:])(?!\s*\()/g);
  return [...words].map(([word]) => word).filter((word) => !WORDS.has(word));
}

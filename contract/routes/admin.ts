/** Routes of whoever runs the gateway: pools, records, audit. */
import type { Permission } from "../permissions.ts";
import type { Route } from "./route.ts";

type Line = readonly [id: string, method: "GET" | "POST", path: string, permission: Permission, summary: string];

function admin([id, method, path, permission, summary]: Line): Route {
  return {
    id,
    methods: [method],
    path,
    class: method === "GET" ? "list" : "control",
    auth: "principal",
    permission,
    cache: "none",
    body: id === "logs.search" ? "json" : "none",
    summary,
    area: "admin",
  };
}

/** Paths of the sources stand beside those of this gateway where they mean the same. */
const records: readonly Line[] = [
  ["metrics.overview", "GET", "/admin/metrics", "admin.metrics", "Calls by kind, and the busiest of each"],
  ["metrics.top", "GET", "/admin/metrics/top", "admin.metrics", "Items or servers by calls, errors or time"],
  ["metrics.timeseries", "GET", "/admin/metrics/timeseries", "admin.metrics", "Calls by the hour"],
  ["metrics.tool", "GET", "/tools/{id}/metrics", "admin.metrics", "Calls of a tool"],
  ["metrics.resource", "GET", "/resources/{id}/metrics", "admin.metrics", "Reads of a resource"],
  ["metrics.prompt", "GET", "/prompts/{id}/metrics", "admin.metrics", "Uses of a prompt"],
  ["metrics.server", "GET", "/servers/{id}/metrics", "admin.metrics", "Calls by way of a virtual server"],
  [
    "metrics.reset",
    "POST",
    "/admin/metrics/reset",
    "admin.system_config",
    "Forget figures of all calls, or of one item's",
  ],
  ["metrics.reset", "POST", "/metrics/reset", "admin.system_config", "Forget figures of all calls, or of one item's"],
  [
    "metrics.stats",
    "GET",
    "/admin/metrics/stats",
    "admin.metrics",
    "How many records there are, and what waits to be written",
  ],
  [
    "metrics.stats",
    "GET",
    "/api/metrics/stats",
    "admin.metrics",
    "How many records there are, and what waits to be written",
  ],
  ["metrics.rollup", "POST", "/admin/metrics/rollup", "admin.system_config", "Add calls up by the hour now"],
  ["metrics.rollup", "POST", "/api/metrics/rollup", "admin.system_config", "Add calls up by the hour now"],
  ["metrics.cleanup", "POST", "/admin/metrics/cleanup", "admin.system_config", "Drop records past their time now"],
  ["metrics.cleanup", "POST", "/api/metrics/cleanup", "admin.system_config", "Drop records past their time now"],
  ["audit.list", "GET", "/admin/audit", "admin.security_audit", "Rows of the audit trail, newest first"],
  ["audit.list", "GET", "/api/logs/audit-trails", "admin.security_audit", "Rows of the audit trail, newest first"],
  ["audit.verify", "GET", "/admin/audit/verify", "admin.security_audit", "Whether the audit trail is what was written"],
  ["security.list", "GET", "/admin/security", "admin.security_audit", "The security log, newest first"],
  ["security.list", "GET", "/api/logs/security-events", "admin.security_audit", "The security log, newest first"],
  ["logs.list", "GET", "/admin/logs", "admin.security_audit", "Log lines, newest first"],
  ["logs.search", "POST", "/api/logs/search", "admin.security_audit", "Log lines, newest first"],
  [
    "logs.trace",
    "GET",
    "/api/logs/trace/{correlationId}",
    "admin.security_audit",
    "What is known of one request: log lines and audit rows",
  ],
];

const upstreams: readonly Line[] = [
  [
    "pool.metrics",
    "GET",
    "/admin/mcp-pool/metrics",
    "admin.metrics",
    "Sessions at upstreams, their pool, and upstreams that are left alone, of the worker that answers",
  ],
];

const CACHES = "Caches with their hit ratios and sizes, of the worker that answers";
const caches: readonly Line[] = [
  ["caches.metrics", "GET", "/admin/caches/metrics", "admin.metrics", CACHES],
  ["caches.metrics", "GET", "/admin/performance/cache", "admin.metrics", CACHES],
];

export const adminRoutes: readonly Route[] = [...records, ...upstreams, ...caches].map(admin);

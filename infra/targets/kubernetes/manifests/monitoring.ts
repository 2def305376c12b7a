/**
 * What Prometheus and Grafana are told of the stack: whom to read, when to call somebody, what to show. Each by configuration: its kinds
 * are an operator's.
 */
import { dashboardOf, ruleFileOf, type Watch } from "../../../observability/index.ts";
import { AUTHORITY_FILE, type Tier, type Workload } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { configName, secretName } from "./files.ts";
import { commonLabels, metadataOf, type Site, type Tree, tierLabels, tierSelector, workloadSelector } from "./site.ts";

/** Three nines of answers that are no failure of this side, and nineteen of twenty as fast as the plan expects. */
const OBJECTIVE = { availability: 0.999, fast: 0.95 };
/** In this repository; where its readers have it is theirs to know. */
const RUNBOOKS = "docs/runbooks.md";
/** The gateway's file of METRICS_TOKEN, and where it shows its counters. */
const TOKEN_KEY = "metrics-token";
const METRICS_PATH = "/metrics";
/** Of the operator's instances and poolers. CloudNativePG documentation, monitoring. */
const OPERATED_PORT_NAME = "metrics";

export function monitoring(site: Site): readonly Manifest[] {
  const { serviceMonitors, rules, dashboards } = site.deployment.kubernetes.monitoring;
  return [
    ...(serviceMonitors ? [...gatewayMonitors(site), ...exporterMonitors(site), ...operatedMonitors(site)] : []),
    ...(rules ? [alertRules(site)] : []),
    ...(dashboards ? [dashboard(site)] : []),
  ];
}

/** The operator of Prometheus names jobs after Services. */
function watchOf(site: Site): Watch {
  const { topology, deployment, namespace } = site;
  const job = (exporter: string) => topology.workloads.find(({ name }) => name === exporter)?.name ?? null;
  const isRead = deployment.kubernetes.monitoring.serviceMonitors;
  return {
    stack: topology.stack,
    namespace,
    gateway: { job: "gateway" },
    nginx: { job: job("exporter-nginx") },
    pgbouncer: { job: job("exporter-pgbouncer") },
    postgres: { job: job("exporter-postgres") },
    redis: { job: job("exporter-redis") },
    cluster: isRead ? { postgresClaims: postgresClaims(site) } : null,
    backup: isRead ? backupJobs(site) : null,
    certificate: null,
    objective: OBJECTIVE,
    runbooks: RUNBOOKS,
  };
}

function postgresClaims({ topology, deployment }: Site): string | null {
  if (deployment.postgres.variant === "cloudnativepg") return "postgres-[0-9]+";
  const own = topology.workloads.find(({ tier }) => tier === "postgres");
  return own?.volumes.find(({ kind }) => kind === "kept")?.name ?? null;
}

function backupJobs({ topology }: Site): Watch["backup"] {
  const has = (workload: string) => topology.workloads.some(({ name }) => name === workload);
  if (!has("backup")) return null;
  const restoreTest = has("restore-test") ? { cronJob: "restore-test", periodH: topology.plan.backup.periodH } : null;
  return { cronJob: "backup", restoreTest };
}

/** The gateway shows its counters to those who have its token. */
function gatewayMonitors(site: Site): readonly Manifest[] {
  return site.topology.workloads
    .filter(({ tier }) => tier === "gateway")
    .map((workload) =>
      monitor(site, workload.name, workload.tier, workloadSelector(site, workload), {
        port: "http",
        path: METRICS_PATH,
        ...encryption(site, workload),
        authorization: { type: "Bearer", credentials: { name: secretName(workload), key: TOKEN_KEY } },
      }),
    );
}

/** The authority stands among the gateway's own files. */
function encryption({ deployment }: Site, workload: Workload): Tree {
  const { tls } = deployment.gateway;
  if (tls === undefined) return {};
  const ca = { configMap: { name: configName(workload), key: AUTHORITY_FILE } };
  return { scheme: "https", tlsConfig: { ca, serverName: tls.name } };
}

function exporterMonitors(site: Site): readonly Manifest[] {
  if (!site.topology.workloads.some(({ tier }) => tier === "exporter")) return [];
  return [monitor(site, "exporter", "exporter", tierSelector(site, "exporter"), { port: "metrics" })];
}

function monitor(site: Site, name: string, tier: Tier, selector: Tree, endpoint: Tree): Manifest {
  return {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "ServiceMonitor",
    metadata: metadataOf(site, name, selectedBy(site, tierLabels(site, tier))),
    spec: { selector: { matchLabels: selector }, endpoints: [endpoint] },
  };
}

/** What the operator of PostgreSQL runs has counters of its own, where the list of edges lets Prometheus come to it. */
function operatedMonitors(site: Site): readonly Manifest[] {
  if (site.deployment.postgres.variant !== "cloudnativepg") return [];
  const read = (["postgres", "pgbouncer"] as const).filter((tier) =>
    site.topology.edges.some(({ from, to }) => from === "prometheus" && to === tier),
  );
  return read.map((tier) => ({
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PodMonitor",
    metadata: metadataOf(site, tier, selectedBy(site, tierLabels(site, tier))),
    spec: {
      selector: { matchLabels: tierSelector(site, tier) },
      podMetricsEndpoints: [{ port: OPERATED_PORT_NAME }],
    },
  }));
}

function alertRules(site: Site): Manifest {
  return {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PrometheusRule",
    metadata: metadataOf(site, "alerts", selectedBy(site, commonLabels(site))),
    spec: ruleFileOf(site.topology.plan, watchOf(site)),
  };
}

/** Grafana's sidecar takes what has its label. */
function dashboard(site: Site): Manifest {
  const shown = dashboardOf(site.topology.plan, watchOf(site));
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: metadataOf(site, "dashboard", { ...commonLabels(site), grafana_dashboard: "1" }),
    data: { [`${shown.uid}.json`]: `${JSON.stringify(shown, null, 2)}\n` },
  };
}

/** With the labels by which somebody's Prometheus finds what is for it. */
function selectedBy({ deployment }: Site, labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return { ...deployment.kubernetes.monitoring.labels, ...labels };
}

/** What is watched: which tiers tell about themselves under which names, and what the service has promised. */

/** Of a tier beside the gateway: the `job` label that its exporter is scraped under; null where it has none. */
export type Watched = { readonly job: string | null };

/** Objects of a Kubernetes namespace as kube-state-metrics and kubelet name them; a regular expression matches the whole name. */
export type Cluster = {
  /** Name of PostgreSQL's volume claims, `data-postgres-.*`; null where the database is somebody else's. */
  readonly postgresClaims: string | null;
};

export type BackupJobs = {
  /** Name of the CronJob, `backup-.*`. */
  readonly cronJob: string;
  /** The CronJob that restores a backup and looks at it; null where there is none. */
  readonly restoreTest: { readonly cronJob: string; readonly periodH: number } | null;
};

/** What is promised; burn rates are measured against it. Each more than 0.9306 and less than 1. */
export type Objective = {
  /** Share of answers that are no failure of this side, 0.999. */
  readonly availability: number;
  /** Share of requests that are as fast as the plan expects, 0.95. */
  readonly fast: number;
};

export type Watch = {
  /** Stands as the label `stack` on every alert and recorded series: several stacks may share one Prometheus. */
  readonly stack: string;
  /** The label `namespace` of every series; null where nothing runs in Kubernetes. */
  readonly namespace: string | null;
  readonly gateway: { readonly job: string };
  readonly nginx: Watched;
  readonly pgbouncer: Watched;
  readonly postgres: Watched;
  readonly redis: Watched;
  /** Null where kube-state-metrics is not read. */
  readonly cluster: Cluster | null;
  /** Null where backups are somebody else's, or kube-state-metrics is not read. */
  readonly backup: BackupJobs | null;
  /** Name of cert-manager's Certificate; null where it does not keep the certificate. */
  readonly certificate: string | null;
  readonly objective: Objective;
  /** Where docs/runbooks.md can be read; alerts add their own anchor. */
  readonly runbooks: string;
};

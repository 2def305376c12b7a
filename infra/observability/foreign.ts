/** Metrics of other programs that rules and dashboards read: name, labels that are asked for, and who says that they exist. */

/** Who tells, and where its names are documented. `job` stands for a series that Prometheus itself makes of every scrape. */
export const sources = {
  prometheus: "https://prometheus.io/docs/concepts/jobs_instances/",
  nginx_exporter: "https://github.com/nginx/nginx-prometheus-exporter#exported-metrics",
  pgbouncer_exporter: "https://github.com/prometheus-community/pgbouncer_exporter#metrics (0.11 and newer)",
  postgres_exporter:
    "https://github.com/prometheus-community/postgres_exporter (its collectors stat_database, stat_activity, settings)",
  redis_exporter: "https://github.com/oliver006/redis_exporter (INFO fields as named in exporter/exporter.go)",
  kube_state_metrics: "https://github.com/kubernetes/kube-state-metrics/tree/main/docs/metrics (2.x)",
  kubelet: "https://kubernetes.io/docs/reference/instrumentation/metrics/",
  cert_manager: "https://cert-manager.io/docs/devops-tips/prometheus-metrics/",
} as const;

export type ForeignSource = keyof typeof sources;
export type ForeignDeclaration = { readonly source: ForeignSource; readonly labels: readonly string[] };

export const foreign = {
  up: { source: "prometheus", labels: [] },

  nginx_up: { source: "nginx_exporter", labels: [] },
  nginx_connections_accepted: { source: "nginx_exporter", labels: [] },
  nginx_connections_active: { source: "nginx_exporter", labels: [] },
  nginx_connections_handled: { source: "nginx_exporter", labels: [] },
  nginx_http_requests_total: { source: "nginx_exporter", labels: [] },

  pgbouncer_up: { source: "pgbouncer_exporter", labels: [] },
  pgbouncer_pools_client_active_connections: { source: "pgbouncer_exporter", labels: ["database", "user"] },
  /** cl_waiting of SHOW POOLS. */
  pgbouncer_pools_client_waiting_connections: { source: "pgbouncer_exporter", labels: ["database", "user"] },
  /** maxwait and maxwait_us of SHOW POOLS. */
  pgbouncer_pools_client_maxwait_seconds: { source: "pgbouncer_exporter", labels: ["database", "user"] },
  pgbouncer_pools_server_active_connections: { source: "pgbouncer_exporter", labels: ["database", "user"] },
  pgbouncer_pools_server_idle_connections: { source: "pgbouncer_exporter", labels: ["database", "user"] },

  pg_up: { source: "postgres_exporter", labels: [] },
  pg_settings_max_connections: { source: "postgres_exporter", labels: [] },
  pg_stat_activity_max_tx_duration: { source: "postgres_exporter", labels: ["datname", "state"] },
  pg_stat_database_blks_hit: { source: "postgres_exporter", labels: ["datname"] },
  pg_stat_database_blks_read: { source: "postgres_exporter", labels: ["datname"] },
  pg_stat_database_numbackends: { source: "postgres_exporter", labels: ["datname"] },
  pg_stat_database_xact_commit: { source: "postgres_exporter", labels: ["datname"] },
  pg_stat_database_xact_rollback: { source: "postgres_exporter", labels: ["datname"] },

  redis_up: { source: "redis_exporter", labels: [] },
  redis_connected_clients: { source: "redis_exporter", labels: [] },
  redis_evicted_keys_total: { source: "redis_exporter", labels: [] },
  redis_keyspace_hits_total: { source: "redis_exporter", labels: [] },
  redis_keyspace_misses_total: { source: "redis_exporter", labels: [] },
  redis_memory_used_bytes: { source: "redis_exporter", labels: [] },
  redis_rejected_connections_total: { source: "redis_exporter", labels: [] },

  kube_cronjob_created: { source: "kube_state_metrics", labels: ["cronjob"] },
  kube_cronjob_status_last_successful_time: { source: "kube_state_metrics", labels: ["cronjob"] },
  kube_horizontalpodautoscaler_status_current_replicas: {
    source: "kube_state_metrics",
    labels: ["horizontalpodautoscaler"],
  },
  kube_horizontalpodautoscaler_status_desired_replicas: {
    source: "kube_state_metrics",
    labels: ["horizontalpodautoscaler"],
  },
  kube_job_created: { source: "kube_state_metrics", labels: ["job_name"] },
  /** 1 under condition="true" once the Job has the condition Failed; kube_job_status_failed counts pods, retried ones too. */
  kube_job_failed: { source: "kube_state_metrics", labels: ["job_name", "condition"] },
  kube_pod_container_status_last_terminated_reason: {
    source: "kube_state_metrics",
    labels: ["pod", "container", "reason"],
  },
  kube_pod_container_status_restarts_total: { source: "kube_state_metrics", labels: ["pod", "container"] },
  kube_poddisruptionbudget_status_expected_pods: { source: "kube_state_metrics", labels: ["poddisruptionbudget"] },
  kube_poddisruptionbudget_status_pod_disruptions_allowed: {
    source: "kube_state_metrics",
    labels: ["poddisruptionbudget"],
  },

  kubelet_volume_stats_available_bytes: { source: "kubelet", labels: ["persistentvolumeclaim"] },

  certmanager_certificate_expiration_timestamp_seconds: { source: "cert_manager", labels: ["name"] },
} as const satisfies Record<string, ForeignDeclaration>;

export type ForeignName = keyof typeof foreign;

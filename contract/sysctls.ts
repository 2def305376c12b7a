/** Which sysctls a pod may set under restricted Pod Security, by the cluster's minor: what a plan counts with and a manifest is judged by. */

/**
 * Name → first minor whose Pod Security Standards allow it. Kubernetes documentation, Pod Security Standards, and the check `sysctls` of
 * the admission plugin (pod-security-admission, policy versions 1.0, 1.27, 1.29, 1.32, 1.37).
 */
const SAFE_SINCE: Readonly<Record<string, number>> = {
  "kernel.shm_rmid_forced": 0,
  "net.ipv4.ip_local_port_range": 0,
  "net.ipv4.ip_unprivileged_port_start": 0,
  "net.ipv4.ping_group_range": 0,
  "net.ipv4.tcp_syncookies": 0,
  "net.ipv4.ip_local_reserved_ports": 27,
  "net.ipv4.tcp_fin_timeout": 29,
  "net.ipv4.tcp_keepalive_intvl": 29,
  "net.ipv4.tcp_keepalive_probes": 29,
  "net.ipv4.tcp_keepalive_time": 29,
  "net.ipv4.tcp_rmem": 32,
  "net.ipv4.tcp_wmem": 32,
  "net.ipv4.tcp_notsent_lowat": 37,
  "net.ipv4.tcp_slow_start_after_idle": 37,
};

/** In alphabetical order. `minor`: 31 for Kubernetes 1.31. */
export function safeSysctls(minor: number): readonly string[] {
  return Object.keys(SAFE_SINCE)
    .filter((name) => (SAFE_SINCE[name] ?? 0) <= minor)
    .toSorted();
}

/** The first minor that allows it; undefined where none that we know does. */
export function safeSince(name: string): number | undefined {
  return Object.hasOwn(SAFE_SINCE, name) ? SAFE_SINCE[name] : undefined;
}

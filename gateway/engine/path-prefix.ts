/** The prefix under which a proxy or an ingress shows the gateway (URL_PATH_PREFIX): cut before anybody reads the path. */

/** Who asks for these comes to the process itself, past whatever added the prefix: kubelet, a load balancer, a supervisor. */
const PROBES: ReadonlySet<string> = new Set(["/health", "/ready"]);

/**
 * The path as the application knows it. One that is not under the prefix becomes a text that is no path, so that no route has it and
 * the answer (404) still names what was asked for.
 */
export function cutPrefix(path: string, prefix: string): string {
  if (prefix === "") return path;
  if (path.startsWith(prefix)) {
    if (path.length === prefix.length) return "/";
    if (path.charCodeAt(prefix.length) === 0x2f) return path.slice(prefix.length);
  }
  return PROBES.has(path) ? path : `(not under ${prefix}) ${path}`;
}

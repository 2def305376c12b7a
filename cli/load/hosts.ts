/** Whom a load test may be aimed at: this machine, or a host that the user says is his own. */

/** Why this host may not be loaded; undefined when it may. `owned` is what the user says he owns. */
export function hostProblem(hostname: string, owned: string | undefined): string | undefined {
  if (owned !== undefined && owned !== hostname)
    return `--i-own-this-host is ${JSON.stringify(owned.slice(0, 200))}, --url names the host ${JSON.stringify(hostname)}`;
  if (owned !== undefined || isLoopback(hostname)) return undefined;
  return `${hostname} is not loopback: a load test of another host is for its owner, who adds --i-own-this-host ${hostname}`;
}

/** Of a host as the URL parser writes it: IPv4 with four numbers, IPv6 shortened and in brackets. RFC 5735, RFC 4291, RFC 6761. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

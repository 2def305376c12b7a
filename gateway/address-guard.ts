/** The guard of outbound addresses as it is set. Part of the composition root. */
import { fault } from "../contract/errors.ts";
import type { Settings } from "../contract/settings.ts";
import { type AddressGuard, createAddressGuard } from "./upstreams/index.ts";

/** Throws MCPS_SETTINGS for a network that is none. */
export function addressGuard(settings: Settings): AddressGuard {
  // Who listens on this machine alone is asked by nobody whom the guard would keep from it.
  const isLocal = isLoopback(settings.HOST);
  try {
    return createAddressGuard({
      enabled: settings.SSRF_PROTECTION_ENABLED,
      blockedNetworks: settings.SSRF_BLOCKED_NETWORKS,
      blockedHosts: settings.SSRF_BLOCKED_HOSTS,
      allowLocalhost: settings.SSRF_ALLOW_LOCALHOST ?? isLocal,
      allowPrivate: settings.SSRF_ALLOW_PRIVATE_NETWORKS ?? isLocal,
      allowedNetworks: settings.SSRF_ALLOWED_NETWORKS,
      dnsFailClosed: settings.SSRF_DNS_FAIL_CLOSED,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw fault("MCPS_SETTINGS", {
      count: 1,
      problems: `SSRF_BLOCKED_NETWORKS or SSRF_ALLOWED_NETWORKS: ${reason}`,
    });
  }
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/** What a stack tells its gateways about callers: who is let in and believed, how much of what, where they may send it, what is written down. */
import { type Settings, settings } from "../../../contract/settings.ts";
import { containsNetwork } from "../network.ts";
import type { Site } from "../site.ts";

/** What the stack leaves empty is left out: the gateway's own defaults are the same. */
export function callerSettings(site: Site): Partial<Settings> {
  const { deployment, ground } = site;
  const { access } = deployment;
  // Neighbours within the deployment's network name nginx itself.
  const hosts = ground.target === "local" ? access.hosts : [...access.hosts, "nginx", ground.host("nginx")];
  return {
    ...(hosts.length > 0 ? { ALLOWED_HOSTS: [...new Set(hosts)] } : {}),
    ...(access.origins.length > 0 ? { ALLOWED_ORIGINS: access.origins } : {}),
    TRUSTED_PROXIES: ground.proxies,
    ...(access.rateLimits.length > 0 ? { RATE_LIMITS: access.rateLimits } : {}),
    ...(access.quotas.length > 0 ? { QUOTAS: access.quotas } : {}),
    ...addressSettings(site),
    ...recordSettings(site),
  };
}

/** A cluster's own networks are closed as in its policies; but where one of them is let in, whole or in part, the policy is the finer one. */
function addressSettings({ deployment: { kubernetes, upstreams }, ground }: Site): Partial<Settings> {
  const own = ground.target === "kubernetes" ? [...kubernetes.podNetworks, ...kubernetes.serviceNetworks] : [];
  const closed = own.filter((network) => !upstreams.networks.some((one) => containsNetwork(network, one)));
  const always = settings.SSRF_BLOCKED_NETWORKS.default;
  return {
    ...(upstreams.userNetworks.length > 0 ? { SSRF_ALLOWED_NETWORKS: upstreams.userNetworks } : {}),
    ...(closed.length > 0 ? { SSRF_BLOCKED_NETWORKS: [...new Set([...always, ...closed])] } : {}),
  };
}

/** Where the stack says nothing of the audit trail the plan decides, which was held to it. */
function recordSettings({ plan, deployment }: Site): Partial<Settings> {
  const { audit = plan.security.auditTrail ? "changes" : "none", security, accessLog } = deployment.gateway.records;
  return {
    ...(audit === "none" ? {} : { AUDIT_TRAIL_ENABLED: true }),
    ...(audit === "calls" ? { AUDIT_TRAIL_CALLS: true } : {}),
    ...(security ? { SECURITY_LOGGING_ENABLED: true } : {}),
    ...(accessLog ? { DISABLE_ACCESS_LOG: false } : {}),
  };
}

/** Where an upstream may be, and with which credentials: what whoever runs the gateway allows. */
import type { GatewayInput, GatewayRecord } from "../store/index.ts";
import { invalid, type Problem } from "./problems.ts";
import type { RegistryParts } from "./types.ts";

/**
 * Whether an upstream may be spoken to where and as it is said; throws MCPS_ITEM_INVALID. Addresses that were good when they were stored are not asked about again: a name server that is away shall stop no other change.
 */
export async function checkOutbound(parts: RegistryParts, input: GatewayInput, former?: GatewayRecord): Promise<void> {
  const { issuer, authorizationUrl, tokenUrl } = input.outbound?.oauth ?? {};
  const before = former?.outbound?.oauth;
  const addresses = [
    { path: "url", url: input.url, known: former?.url },
    { path: "oauthConfig.issuer", url: issuer, known: before?.issuer },
    { path: "oauthConfig.authorizationUrl", url: authorizationUrl, known: before?.authorizationUrl },
    { path: "oauthConfig.tokenUrl", url: tokenUrl, known: before?.tokenUrl },
  ];
  const problems = queryProblems(input, parts.queryAuth);
  for (const { path, url, known } of addresses) {
    if (url === null || url === undefined || url === known) continue;
    const reason = await parts.checkAddress?.(new URL(url));
    if (reason !== undefined) problems.push({ path, allowed: `may not be used: ${reason}` });
  }
  if (problems.length > 0) throw invalid("gateway", problems);
}

/** A query stands in logs and histories: only where whoever runs the gateway allows it. */
function queryProblems({ authType, url }: GatewayInput, rules: RegistryParts["queryAuth"]): Problem[] {
  if (authType !== "query_param") return [];
  if (rules?.allowed !== true)
    return [{ path: "authType", value: authType, allowed: "query_param needs INSECURE_ALLOW_QUERYPARAM_AUTH" }];
  const host = url === null ? "" : new URL(url).hostname;
  if (rules.hosts.length === 0 || rules.hosts.some((one) => one.toLowerCase() === host)) return [];
  return [{ path: "url", allowed: "its host is not among INSECURE_QUERYPARAM_AUTH_ALLOWED_HOSTS" }];
}

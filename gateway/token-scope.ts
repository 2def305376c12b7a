/** What a proof that opens one virtual server opens: its MCP endpoints and reading it over REST. Part of the composition root. */
import { fault } from "../contract/errors.ts";
import type { Principal } from "../contract/principal.ts";
import { IDENTITY_PATH, type Route } from "../contract/routes.ts";

/** Throws MCPS_FORBIDDEN on every other route. */
export function requireServerScope(
  { id, serverId }: Principal,
  route: Route,
  params: Readonly<Record<string, string>>,
): void {
  if (serverId === undefined) return;
  const isOwn = /^(?:\/v1)?\/servers\/\{id\}/.test(route.path) && params.id === serverId;
  const reads = route.area === "mcp" || (route.methods.length === 1 && route.methods[0] === "GET");
  // The cache in front keeps answers by caller and scope: to say who asks shows nothing of what others see.
  if ((isOwn && reads) || route.path === IDENTITY_PATH) return;
  throw fault("MCPS_FORBIDDEN", { principal: id, action: `use anything but server ${serverId} with this token` });
}

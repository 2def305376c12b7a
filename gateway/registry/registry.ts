/** The registry behind its REST routes; engine-neutral. Identity and the route's permission have been checked before. */
import { fault } from "../../contract/errors.ts";
import type { RestRoom } from "../../contract/rest.ts";
import { registryDescription } from "./describe.ts";
import { gatewayHandlers } from "./gateways.ts";
import { itemHandlers } from "./items.ts";
import { oauthHandlers } from "./oauth.ts";
import { openApiHandlers } from "./openapi-import/handlers.ts";
import { pinHandlers } from "./pins.ts";
import { serverHandlers } from "./servers.ts";
import { transferHandlers } from "./transfer/handlers.ts";
import type { Handler, RegistryParts } from "./types.ts";

/** Older and second names of the same action. */
const SAME: Readonly<Record<string, string>> = { patch: "update", toggle: "state" };

export function createRegistry(parts: RegistryParts): RestRoom {
  const handlers = new Map<string, Handler>();
  const add = (resource: string, actions: Readonly<Record<string, Handler>>) => {
    for (const [action, handler] of Object.entries(actions)) handlers.set(`${resource}.${action}`, handler);
  };
  add("gateways", { ...gatewayHandlers(parts), ...openApiHandlers(parts) });
  add("registry", transferHandlers(parts));
  add("servers", serverHandlers(parts));
  add("pins", pinHandlers(parts));
  for (const resource of ["tools", "resources", "prompts"] as const) add(resource, itemHandlers(parts, resource));

  const { closed, open } = oauthHandlers(parts);
  add("oauth", closed);

  return {
    description: registryDescription,
    async handle(route, params, request, principal) {
      const [resource = "", action = ""] = route.id.split(".");
      const handler = handlers.get(`${resource}.${SAME[action] ?? action}`);
      if (handler === undefined) throw fault("MCPS_NOT_FOUND", { path: request.path.slice(0, 200) });
      return handler({ id: params.id ?? "", name: params.name ?? "", request, principal });
    },
    async handleOpen(route, _, request) {
      const [, action = ""] = route.id.split(".");
      const handler = open[action];
      if (handler === undefined) throw fault("MCPS_NOT_FOUND", { path: request.path.slice(0, 200) });
      return handler(request);
    },
  };
}

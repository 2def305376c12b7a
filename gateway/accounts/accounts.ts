/** The room of who may call, behind its REST routes. Identity and the route's permission have been checked before. */
import { fault } from "../../contract/errors.ts";
import type { RestRoom } from "../../contract/rest.ts";
import { authHandlers, openAuthHandlers } from "./auth-handlers.ts";
import { accountsDescription } from "./describe.ts";
import { roleHandlers } from "./role-handlers.ts";
import { teamHandlers } from "./team-handlers.ts";
import { tokenHandlers } from "./token-handlers.ts";
import type { AccountsParts, Handler } from "./types.ts";
import { userHandlers } from "./user-handlers.ts";

export function createAccounts(parts: AccountsParts): RestRoom {
  const handlers = new Map<string, Handler>(
    [authHandlers, userHandlers, teamHandlers, roleHandlers, tokenHandlers].flatMap((make) =>
      Object.entries(make(parts)),
    ),
  );
  const open = new Map(Object.entries(openAuthHandlers(parts)));
  const lost = (path: string) => fault("MCPS_NOT_FOUND", { path: path.slice(0, 200) });
  return {
    description: accountsDescription,
    async handle(route, params, request, principal) {
      const handler = handlers.get(route.id);
      if (handler === undefined) throw lost(request.path);
      return handler({ params, request, principal });
    },
    async handleOpen(route, _, request) {
      const handler = open.get(route.id);
      if (handler === undefined) throw lost(request.path);
      return handler(request);
    },
  };
}

/** A room that answers REST routes with whole responses. */
import type { GatewayRequest, RestResponse } from "./http.ts";
import type { Principal } from "./principal.ts";
import type { Route } from "./routes/route.ts";

export interface RestRoom {
  /**
   * Identity, the route's permission, Origin and Host have been checked before. `params` and `route` are those of the match.
   * Rejects with a Fault.
   */
  handle(
    route: Route,
    params: Readonly<Record<string, string>>,
    request: GatewayRequest,
    principal: Principal,
  ): Promise<RestResponse>;
  /** As `handle`, for routes that anybody may ask; Origin and Host have been checked. Absent where the room has none. */
  handleOpen?(route: Route, params: Readonly<Record<string, string>>, request: GatewayRequest): Promise<RestResponse>;
}

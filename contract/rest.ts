/** A room that answers REST routes with whole responses, and says of each what goes in and what comes out. */
import type * as z from "zod";
import type { GatewayRequest, RestResponse } from "./http.ts";
import type { Principal } from "./principal.ts";
import type { Route } from "./routes/route.ts";

/** A parameter of the query; `schema` is JSON Schema. */
export type QueryParameter = { readonly name: string; readonly description: string; readonly schema: unknown };

/** What the description of the interface says of one route; schemas by their names in `RestDescription.schemas`. */
export type RouteDescription = {
  /** Of the answer; absent where it has no body. */
  readonly answer?: string;
  /** The answer is an array of `answer`, or an object with `nextCursor` that holds one. */
  readonly list?: true;
  /** Of the request's body; absent where it means nothing. */
  readonly body?: string;
  readonly query?: readonly QueryParameter[];
  /** Of the answer that is no failure; 200 when absent. */
  readonly status?: number;
};

export type RestDescription = {
  /** Named as in the document's components; a name is one room's. */
  readonly schemas: Readonly<Record<string, z.ZodType>>;
  /** Undefined for a route that the room does not know. */
  routeOf(route: Route): RouteDescription | undefined;
};

export interface RestRoom {
  readonly description: RestDescription;
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

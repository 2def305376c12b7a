/** What is said of a route. */
import type { Permission } from "../permissions.ts";

export type RouteClass = "probe" | "control" | "call" | "list" | "stream";
/** Areas whose routes answer whole REST responses, each by a room of its own. */
export type RestArea = "registry" | "accounts" | "admin";

export type Route = {
  /** Stable name; several paths may have the same one (`/v1/tools` and `/tools`). */
  readonly id: string;
  readonly methods: readonly string[];
  /** Segments; `{name}` matches one non-empty segment. */
  readonly path: string;
  readonly class: RouteClass;
  readonly auth: "public" | "principal";
  /** Absent: any principal. */
  readonly permission?: Permission;
  /** `none`: never stored. `private`: only by the caller, revalidated. `public`: by anyone for a minute. */
  readonly cache: "none" | "private" | "public";
  readonly body: "none" | "json" | "json-rpc";
  readonly summary: string;
  /** Whose answer it is: the transports', the composition root's, or that of a room with REST routes. */
  readonly area: "mcp" | "service" | RestArea;
  /** Asked by the tiers of this deployment, never by clients: it stands in no description of the interface. */
  readonly internal?: true;
};

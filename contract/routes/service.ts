/** Routes of the gateway itself: probes, metrics, its description. */
import type { Route, RouteClass } from "./route.ts";

/** Asked by a cache in front before it answers: 204 with the header below, or 401 or 403. */
export const IDENTITY_PATH = "/_auth";
/** `<principal>.<scopes>.<version>`, opaque: part of the cache's key. */
export const IDENTITY_HEADER = "x-cache-identity";

function service(id: string, path: string, class_: RouteClass, rest: Pick<Route, "auth" | "cache" | "summary">): Route {
  return { id, methods: ["GET"], path, class: class_, body: "none", area: "service", ...rest };
}

export const serviceRoutes: readonly Route[] = [
  service("health", "/health", "probe", { auth: "public", cache: "none", summary: "The process lives" }),
  service("ready", "/ready", "probe", { auth: "public", cache: "none", summary: "Requests can be served now" }),
  {
    // Not refused where calls are: what a cache can answer shall not reach the gateway because the gateway is full.
    ...service("identity", IDENTITY_PATH, "probe", {
      auth: "principal",
      cache: "none",
      summary: "Who is asking, as the cache in front may know it",
    }),
    internal: true,
  },
  service("version", "/version", "control", { auth: "principal", cache: "private", summary: "What is running" }),
  {
    ...service("metrics", "/metrics", "probe", { auth: "principal", cache: "none", summary: "Metrics as text" }),
    permission: "admin.metrics",
  },
  {
    ...service("limits", "/admin/limits", "control", {
      auth: "principal",
      cache: "none",
      summary: "Limits and quotas, and who has used them up, as the answering worker knows it",
    }),
    permission: "admin.metrics",
  },
  service("openapi", "/openapi.json", "control", {
    auth: "principal",
    cache: "public",
    summary: "This API, OpenAPI 3.1",
  }),
];

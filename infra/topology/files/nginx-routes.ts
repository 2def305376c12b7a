/** How nginx treats each path: read from the route table, so that a new route is never cached because somebody forgot it here. */
import { routes } from "../../../contract/routes.ts";

/** Pages and files of the admin interface; both are outside the route table, whose answers are all data. */
export const STATIC_PREFIX = "/static/";
export const ADMIN_PATTERN = "^/admin(?:/|$)";

const isRead = ({ methods }: { readonly methods: readonly string[] }) => methods.includes("GET");

/** Event streams and WebSockets, and the endpoints whose POST may be answered by a stream. */
export function streamPattern(): string {
  return patternOf(routes.filter((route) => route.area === "mcp" && isRead(route)).map(({ path }) => path));
}

/** Answers that belong to one caller. */
export function apiPattern(): string {
  return patternOf(routes.filter((route) => route.cache === "private" && isRead(route)).map(({ path }) => path));
}

/** Descriptions of the interface. */
export function schemaPattern(): string {
  return patternOf(routes.filter((route) => route.cache === "public" && isRead(route)).map(({ path }) => path));
}

/** One regular expression for all of these paths; the gateway ignores one slash at the end, and so does this. */
function patternOf(paths: readonly string[]): string {
  const known = new Set(paths);
  const alternatives = [...known].flatMap((path) => {
    // Registry routes are there with and without /v1: one alternative stands for both.
    if (path.startsWith("/v1/") && known.has(path.slice(3))) return [];
    return [`${known.has(`/v1${path}`) ? "(?:/v1)?" : ""}${segmentsOf(path)}`];
  });
  return `^(?:${alternatives.join("|")})/?$`;
}

function segmentsOf(path: string): string {
  return path
    .split("/")
    .map((segment) => (segment.startsWith("{") ? "[^/]+" : segment.replaceAll(".", "\\.")))
    .join("/");
}

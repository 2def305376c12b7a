/** Paths as logs show them: what opens something stands in no log. Part of the composition root. */
import { type Route, routes } from "../contract/routes.ts";
import { redactText } from "./telemetry/index.ts";

const SECRET = "{token}";
const MAX_PATH = 300;
/** What comes before a secret, in lower case: `/teams/invitations/`. */
const BEFORE_SECRETS: readonly string[] = [
  ...new Set(
    routes
      .map(({ path }) => path)
      .filter((path) => path.includes(SECRET))
      .map((path) => beforeSecret(path)),
  ),
];

/** The route's template where its path holds a secret; also for a path beside it that no route has. At most 300 characters. */
export function shownPath(route: Route | undefined, path: string): string {
  if (route?.path.includes(SECRET) === true) return route.path;
  const before = route === undefined ? BEFORE_SECRETS.find((start) => plain(path).startsWith(start)) : undefined;
  return before === undefined ? redactText(path, MAX_PATH) : `${before}${SECRET}`;
}

function beforeSecret(path: string): string {
  return path.slice(0, path.indexOf(SECRET));
}

/** A path that was mistyped, or written in another way, is no reason to show what follows. */
function plain(path: string): string {
  try {
    return decodeURIComponent(path)
      .toLowerCase()
      .replace(/\/{2,}/g, "/");
  } catch {
    return path.toLowerCase();
  }
}

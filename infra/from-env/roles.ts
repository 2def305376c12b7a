/** Which service of a compose file is which server: by its name first, then by its image. */
import type { Role } from "./source.ts";

export type Candidate = { readonly name: string; readonly image: string };

const NAMED: Readonly<Record<Role, RegExp>> = {
  gateway: /^(?:gateway|mcp-?gateway|mcp-context-forge|context-?forge)$/i,
  pgbouncer: /^(?:pgbouncer|pooler)$/i,
  postgres: /^(?:postgres|postgresql|pg|db|database)$/i,
  redis: /^(?:redis|valkey|cache)$/i,
  nginx: /^(?:nginx|nginx[-_]?(?:cache|proxy)|proxy)$/i,
};
const IMAGES: Readonly<Record<Role, RegExp>> = {
  gateway: /(?:^|\/)(?:mcpgateway|mcp-context-forge|mcp-gateway)(?::|@|$)/i,
  pgbouncer: /(?:^|\/)pgbouncer(?::|@|$)/i,
  postgres: /(?:^|\/)(?:postgres|postgresql)(?::|@|$)/i,
  redis: /(?:^|\/)(?:redis|valkey)(?::|@|$)/i,
  nginx: /(?:^|\/)nginx(?:-cache)?(?::|@|$)/i,
};
/** Runs once and ends; it has the gateway's image but none of its figures. */
const ONE_SHOT = /migrat|bootstrap|init|register|test/i;

/** The service of a role, undefined where there is none. A service has one role at most: its name is stronger than its image. */
export function findRole<Service extends Candidate>(role: Role, services: readonly Service[]): Service | undefined {
  const named = services.find(({ name }) => NAMED[role].test(name));
  if (named !== undefined) return named;
  const isTaken = (name: string) => Object.values(NAMED).some((pattern) => pattern.test(name));
  return services.find(
    ({ name, image }) => IMAGES[role].test(image) && !isTaken(name) && !(role === "gateway" && ONE_SHOT.test(name)),
  );
}

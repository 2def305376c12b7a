/** The auth room as its tests make it: a clock of their own, every outcome written down. */
import { Fault } from "../../../contract/errors.ts";
import type { RequestHead } from "../../../contract/http.ts";
import { matchRoute, type Route } from "../../../contract/routes.ts";
import {
  type AuthOptions,
  type AuthOutcome,
  createAuth,
  createResources,
  type IssuerSource,
  type ResourceOptions,
  readIssuers,
} from "../../../gateway/auth/index.ts";

export const SECRET = "0123456789abcdef0123456789abcdef";
export const NOW = 1_800_000_000_000;
export const BASE = "https://gw.example.com";

export function room(options: Partial<AuthOptions> = {}) {
  const clock = { now: NOW };
  const outcomes: AuthOutcome[] = [];
  const auth = createAuth({
    secret: SECRET,
    algorithm: "HS256",
    audience: "aud",
    issuer: "iss",
    adminEmail: "Admin@example.com",
    required: true,
    metricsToken: undefined,
    cacheMs: 60_000,
    anonymousIsAdmin: false,
    now: () => clock.now,
    count: (outcome) => outcomes.push(outcome),
    ...options,
  });
  return { auth, clock, outcomes };
}

export function resourceOptions(changes: Partial<ResourceOptions> = {}): ResourceOptions {
  return {
    base: BASE,
    believesHost: true,
    scheme: "https",
    pathPrefix: "",
    authorizationServers: ["https://as.example.com"],
    scopes: ["servers.use", "tools.read"],
    ...changes,
  };
}

/** A room that trusts these issuers besides itself. */
export function trusting(source: Partial<IssuerSource>, options: Partial<AuthOptions> = {}) {
  const issuers = readIssuers({
    issuers: [],
    path: undefined,
    audiences: [],
    scopes: "narrow",
    emailDomains: [],
    ownIssuer: "iss",
    ...source,
  });
  const warnings: string[] = [];
  const authorizationServers = issuers.map(({ issuer }) => issuer);
  const made = room({
    resources: createResources(resourceOptions({ authorizationServers })),
    foreign: {
      issuers,
      ttlMs: 600_000,
      cooldownMs: 30_000,
      staleMs: 3_600_000,
      fetch,
      warn: (reason) => warnings.push(reason),
    },
    ...options,
  });
  return { ...made, warnings };
}

export type Refused = { readonly status: number; readonly message: string; readonly challenge: string | undefined };

export async function refusal(run: () => unknown): Promise<Refused> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { status: error.status, message: error.message, challenge: error.headers?.["www-authenticate"] };
  }
  throw new Error("was let in");
}

export function head(method: string, path: string, headers: RequestHead["headers"] = {}): RequestHead {
  return { method, path, query: "", headers: { host: "gw.example.com", ...headers }, remoteAddress: "127.0.0.1" };
}

export function routeOf({ method, path }: Pick<RequestHead, "method" | "path">): Route {
  const found = matchRoute(method, path);
  if (found.kind !== "route") throw new Error(`no route ${method} ${path}`);
  return found.route;
}

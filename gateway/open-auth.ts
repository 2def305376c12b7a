/** The auth room by the settings. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import { type Auth, type AuthOutcome, createAuth, createResources, type Resources, readIssuers } from "./auth/index.ts";
import type { Secrets } from "./settings/index.ts";
import type { Log } from "./telemetry/index.ts";

type Input = {
  readonly settings: Settings;
  readonly secrets: Pick<Secrets, "jwtSecret">;
  readonly log: Log;
  readonly count: (outcome: AuthOutcome) => void;
};

/** Throws RangeError and MCPS_IDENTITY for keys and issuers that cannot be used. */
export function openAuth({ settings, secrets, log, count }: Input): { auth: Auth; resources: Resources } {
  const issuers = readIssuers({
    issuers: settings.SSO_ISSUERS,
    path: settings.TOKEN_ISSUERS_FILE,
    audiences: settings.TOKEN_AUDIENCES,
    scopes: settings.TOKEN_SCOPES,
    emailDomains: settings.SSO_TRUSTED_DOMAINS,
    ownIssuer: settings.JWT_ISSUER,
  });
  const base = settings.APP_DOMAIN?.replace(/\/+$/, "");
  const resources = createResources({
    base,
    believesHost: !settings.ALLOWED_HOSTS.includes("*"),
    scheme: settings.TLS_CERT_FILE === undefined ? "http" : "https",
    pathPrefix: settings.URL_PATH_PREFIX,
    authorizationServers: issuers.map(({ issuer }) => issuer),
    scopes: ["servers.use", "tools.read", "resources.read", "prompts.read"],
  });
  for (const { issuer, audiences } of issuers)
    if (base === undefined && audiences.length === 0)
      log.warn("no token of this issuer can be for this gateway: set APP_DOMAIN or TOKEN_AUDIENCES", { issuer });
  const auth = createAuth({
    algorithm: settings.JWT_ALGORITHM,
    secret: secrets.jwtSecret,
    privateKeyPath: settings.JWT_PRIVATE_KEY_PATH,
    publicKeyPath: settings.JWT_PUBLIC_KEY_PATH,
    audience: settings.JWT_AUDIENCE,
    issuer: settings.JWT_ISSUER,
    checksAudience: settings.JWT_AUDIENCE_VERIFICATION,
    checksIssuer: settings.JWT_ISSUER_VERIFICATION,
    needsExpiration: settings.REQUIRE_TOKEN_EXPIRATION,
    needsId: settings.REQUIRE_JTI,
    clockSkewSeconds: settings.JWT_CLOCK_SKEW,
    required: settings.AUTH_REQUIRED,
    metricsToken: settings.METRICS_TOKEN,
    cacheMs: settings.AUTH_CACHE_TTL * 1000,
    staleMs: settings.AUTH_REVOCATION_FAIL === "stale" ? settings.AUTH_REVOCATION_STALE * 1000 : 0,
    adminEmail: settings.PLATFORM_ADMIN_EMAIL,
    anonymousIsAdmin: isLoopback(settings.HOST),
    certificateName: settings.TLS_CLIENT_IDENTITY,
    resources,
    foreign: {
      issuers,
      ttlMs: settings.JWKS_CACHE_TTL * 1000,
      cooldownMs: settings.JWKS_COOLDOWN * 1000,
      staleMs: settings.JWKS_STALE_TTL * 1000,
      fetch,
      warn: (reason) => log.warn("the keys of an issuer cannot be read", { reason }),
    },
    now: Date.now,
    count,
  });
  return { auth, resources };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

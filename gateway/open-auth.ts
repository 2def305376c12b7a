/** The auth room by the settings. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import {
  type Auth,
  type AuthOptions,
  type AuthOutcome,
  createAuth,
  createResources,
  createSignIn,
  type Directory,
  type Resources,
  readIssuers,
  type SignInOptions,
  type SignInRoutes,
  type TrustedIssuer,
  type Verifier,
} from "./auth/index.ts";
import type { Secrets } from "./settings/index.ts";
import type { Log } from "./telemetry/index.ts";

type Input = {
  readonly settings: Settings;
  readonly secrets: Pick<Secrets, "jwtSecret">;
  readonly directory: Directory;
  /** Of stored tokens. */
  readonly verifiers: readonly Verifier[];
  readonly log: Log;
  readonly count: (outcome: AuthOutcome) => void;
  /** Whether somebody who signed in is let in; everybody whom the provider lets in where it is absent. */
  readonly admit?: SignInOptions["admit"];
};
export type OpenedAuth = { readonly auth: Auth; readonly resources: Resources; readonly signIn: SignInRoutes };

/** Throws RangeError and MCPS_IDENTITY for keys and issuers that cannot be used. */
export function openAuth(input: Input): OpenedAuth {
  const { settings, log } = input;
  const issuers = issuersOf(settings);
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
  const auth = createAuth(authOptions(input, issuers, resources));
  return { auth, resources, signIn: signInOf(input, auth, base) };
}

function issuersOf(settings: Settings): readonly TrustedIssuer[] {
  const issuer = settings.SSO_GENERIC_ISSUER;
  const jwksUri = settings.SSO_GENERIC_JWKS_URI;
  const takesProvider = settings.SSO_ENABLED && settings.SSO_API_TOKEN_AUTH_ENABLED && issuer !== undefined;
  const provider = {
    groups_claim: settings.SSO_GENERIC_GROUPS_CLAIM,
    admin_groups: [...settings.SSO_GENERIC_ADMIN_GROUPS],
    ...(jwksUri === undefined ? {} : { jwks_uri: jwksUri }),
  };
  return readIssuers({
    issuers: settings.SSO_ISSUERS,
    declared: takesProvider ? [{ issuer, ...provider }] : [],
    path: settings.TOKEN_ISSUERS_FILE,
    audiences: settings.TOKEN_AUDIENCES,
    scopes: settings.TOKEN_SCOPES,
    emailDomains: settings.SSO_TRUSTED_DOMAINS,
    ownIssuer: settings.JWT_ISSUER,
  });
}

function authOptions(
  { settings, secrets, directory, verifiers, log, count }: Input,
  issuers: readonly TrustedIssuer[],
  resources: Resources,
): AuthOptions {
  return {
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
    directory,
    verifiers,
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
  };
}

/** No routes where nobody signs in: then they are answered 404. */
function signInOf({ settings, secrets, log, admit }: Input, auth: Auth, base: string | undefined): SignInRoutes {
  const issuer = settings.SSO_GENERIC_ISSUER;
  const clientId = settings.SSO_GENERIC_CLIENT_ID;
  if (!settings.SSO_ENABLED || issuer === undefined || clientId === undefined || base === undefined) return {};
  return createSignIn({
    issuer,
    clientId,
    clientSecret: settings.SSO_GENERIC_CLIENT_SECRET,
    endpoints: endpointsOf(settings),
    scope: settings.SSO_GENERIC_SCOPE,
    displayName: settings.SSO_GENERIC_DISPLAY_NAME,
    rules: {
      provider: settings.SSO_GENERIC_PROVIDER_ID,
      groupsClaim: settings.SSO_GENERIC_GROUPS_CLAIM,
      adminGroups: settings.SSO_GENERIC_ADMIN_GROUPS,
      trustedDomains: settings.SSO_TRUSTED_DOMAINS.map((domain) => domain.toLowerCase()),
      adminEmail: settings.PLATFORM_ADMIN_EMAIL,
    },
    base,
    secret: secrets.jwtSecret,
    sessionMinutes: settings.SESSION_TOKEN_EXPIRY,
    mint: (request) => auth.mint(request),
    ...(admit === undefined ? {} : { admit }),
    warn: (reason) => log.warn("signing in failed", { provider: settings.SSO_GENERIC_PROVIDER_ID, reason }),
    now: Date.now,
  });
}

function endpointsOf(settings: Settings): SignInOptions["endpoints"] {
  const authorization = settings.SSO_GENERIC_AUTHORIZATION_URL;
  const token = settings.SSO_GENERIC_TOKEN_URL;
  const jwks = settings.SSO_GENERIC_JWKS_URI;
  const userinfo = settings.SSO_GENERIC_USERINFO_URL;
  if (authorization === undefined || token === undefined || jwks === undefined) return undefined;
  return { authorization, token, jwks, userinfo };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

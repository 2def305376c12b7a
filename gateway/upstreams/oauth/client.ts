/** The gateway as a client of an upstream's authorization server: configured, or registered there by itself (RFC 7591). */
import type * as Oidc from "openid-client";
import type { StoredClient, UpstreamTokens } from "../../store/index.ts";
import { BoundedMap } from "../bounded.ts";
import type { Trust } from "../guard/index.ts";
import type { UpstreamTarget } from "../types.ts";
import { protectedResource } from "./discover.ts";
import type { EndpointFetch } from "./endpoint-fetch.ts";
import { oidc } from "./oidc.ts";

export type ClientRules = {
  readonly timeoutMs: number;
  /** Ask upstreams and issuers what there is to know (RFC 9728, RFC 8414). */
  readonly discovers: boolean;
  readonly registers: boolean;
  /** Any when empty. */
  readonly allowedIssuers: readonly string[];
  /** `{gateway_name}` stands for the upstream's slug. */
  readonly clientName: string;
  /** Asked for where an upstream names none, and the server knows them. */
  readonly defaultScopes: readonly string[];
  readonly authMethod: "client_secret_basic" | "client_secret_post" | "none";
  /** How long what a server says of itself is believed, ms. */
  readonly metadataMs: number;
};

export type ClientParts = {
  readonly rules: ClientRules;
  readonly store: Pick<UpstreamTokens, "upstreamClient" | "putUpstreamClient">;
  readonly http: (trust: Trust) => EndpointFetch;
  /** Where browsers come back to. */
  readonly redirectUri: () => string;
  readonly now: () => number;
};

/** A client, ready to ask its server for tokens. */
export type OAuthClient = {
  readonly config: Oidc.Configuration;
  readonly scope: string | undefined;
  readonly resource: string;
  readonly audience: string | undefined;
};

type Found = { readonly client: OAuthClient; readonly until: number; readonly redirectUri: string };
const MAX_CLIENTS = 1000;

/** What cannot be done, in words for whoever registered the upstream. */
export class OAuthProblem extends Error {}

export class OAuthClients {
  readonly #parts: ClientParts;
  readonly #known = new BoundedMap<Found>(MAX_CLIENTS);

  constructor(parts: ClientParts) {
    this.#parts = parts;
  }

  /** Rejects with OAuthProblem, or with what openid-client says of a server. */
  async of(target: UpstreamTarget): Promise<OAuthClient> {
    const { now, rules, redirectUri } = this.#parts;
    const key = `${target.id}\n${target.revision}`;
    const known = this.#known.get(key);
    if (known !== undefined && known.until > now() && known.redirectUri === redirectUri()) return known.client;
    const client = await this.#make(target);
    this.#known.set(key, { client, until: now() + rules.metadataMs, redirectUri: redirectUri() });
    return client;
  }

  async #make(target: UpstreamTarget): Promise<OAuthClient> {
    const { oauth, url = "" } = target;
    if (oauth === undefined) throw new OAuthProblem("it is not set up for OAuth");
    const { rules } = this.#parts;
    const http = this.#parts.http(target.trust ?? "user");
    const isConfigured = oauth.issuer !== undefined || oauth.tokenUrl !== undefined;
    if (!isConfigured && !rules.discovers)
      throw new OAuthProblem("it names neither issuer nor tokenUrl, and discovery is off (OAUTH_DISCOVERY_ENABLED)");
    const named = isConfigured ? undefined : await protectedResource(http, new URL(url));
    const issuer = oauth.issuer ?? named?.authorizationServer;
    if (!isConfigured && issuer === undefined)
      throw new OAuthProblem("it names no authorization server (RFC 9728), and none is configured");
    const server =
      oauth.tokenUrl === undefined
        ? await this.#discovered(new URL(issuer ?? ""), target, http)
        : {
            issuer: issuer ?? new URL(oauth.tokenUrl).origin,
            token_endpoint: oauth.tokenUrl,
            ...(oauth.authorizationUrl === undefined ? {} : { authorization_endpoint: oauth.authorizationUrl }),
          };
    const config = await this.#registered(server, target, http);
    const offered = named?.scopes ?? [];
    const defaults = rules.defaultScopes.filter((one) => server.scopes_supported?.includes(one) === true);
    const scopes = oauth.scopes.length > 0 ? oauth.scopes : offered.length > 0 ? offered : defaults;
    return {
      config,
      scope: scopes.length === 0 ? undefined : scopes.join(" "),
      resource: oauth.resource ?? named?.resource ?? plainUrl(url),
      audience: oauth.audience,
    };
  }

  /** RFC 8414, and OpenID Connect Discovery where that finds nothing. */
  async #discovered(issuer: URL, target: UpstreamTarget, http: EndpointFetch): Promise<Oidc.ServerMetadata> {
    const { rules } = this.#parts;
    if (!rules.discovers)
      throw new OAuthProblem("its tokenUrl has to be configured: discovery is off (OAUTH_DISCOVERY_ENABLED)");
    const options = (algorithm: "oauth2" | "oidc") => ({
      algorithm,
      timeout: rules.timeoutMs / 1000,
      [oidc().customFetch]: http.custom,
      execute: isPlainAllowed(target, issuer) ? [oidc().allowInsecureRequests] : [],
    });
    // No client is needed to read metadata; the name goes nowhere.
    const ask = (algorithm: "oauth2" | "oidc") =>
      oidc().discovery(issuer, "discovery", undefined, oidc().None(), options(algorithm));
    try {
      return (await ask("oauth2")).serverMetadata();
    } catch (first) {
      try {
        return (await ask("oidc")).serverMetadata();
      } catch {
        throw first;
      }
    }
  }

  async #registered(server: Oidc.ServerMetadata, target: UpstreamTarget, http: EndpointFetch) {
    const { oauth } = target;
    const configured = oauth?.clientId;
    const { clientId, clientSecret } =
      configured === undefined
        ? await this.#ownClient(server, target, http)
        : { clientId: configured, clientSecret: oauth?.clientSecret };
    const auth = authenticationOf(clientSecret, oauth?.tokenEndpointAuthMethod ?? this.#parts.rules.authMethod);
    return this.#configured(server, target, http, clientId, auth);
  }

  #configured(
    server: Oidc.ServerMetadata,
    target: UpstreamTarget,
    http: EndpointFetch,
    clientId: string,
    auth: Oidc.ClientAuth,
  ): Oidc.Configuration {
    const config = new (oidc().Configuration)(server, clientId, undefined, auth);
    config[oidc().customFetch] = http.custom;
    config.timeout = this.#parts.rules.timeoutMs / 1000;
    if (isPlainAllowed(target, new URL(server.token_endpoint ?? server.issuer))) oidc().allowInsecureRequests(config);
    return config;
  }

  /** What was registered before, for this server and this way back, or a registration made now. */
  async #ownClient(server: Oidc.ServerMetadata, target: UpstreamTarget, http: EndpointFetch) {
    const { rules, store, redirectUri } = this.#parts;
    const known = await store.upstreamClient(target.id);
    if (known?.issuer === server.issuer && known.redirectUri === redirectUri()) return secretOf(known);
    if (!rules.registers) throw new OAuthProblem("it has no clientId, and registering one is off (DCR_ENABLED)");
    if (rules.allowedIssuers.length > 0 && !rules.allowedIssuers.includes(server.issuer))
      throw new OAuthProblem(`its issuer ${server.issuer} is not among DCR_ALLOWED_ISSUERS`);
    if (server.registration_endpoint === undefined)
      throw new OAuthProblem(`its issuer ${server.issuer} registers no clients: clientId has to be configured`);
    const isUsers = target.oauth?.grantType === "authorization_code";
    const anonymous = this.#configured(server, target, http, "registration", oidc().None());
    const registered = await oidc().dynamicClientRegistration(
      new URL(server.issuer),
      {
        client_name: rules.clientName.replaceAll("{gateway_name}", target.slug),
        redirect_uris: isUsers ? [redirectUri()] : [],
        grant_types: isUsers ? ["authorization_code", "refresh_token"] : [grantName(target)],
        response_types: isUsers ? ["code"] : [],
        token_endpoint_auth_method: rules.authMethod,
      },
      undefined,
      {
        algorithm: "oauth2",
        timeout: rules.timeoutMs / 1000,
        [oidc().customFetch]: alreadyDiscovered(http.custom, anonymous.serverMetadata()),
        execute: isPlainAllowed(target, new URL(server.issuer)) ? [oidc().allowInsecureRequests] : [],
      },
    );
    const { client_id: clientId, client_secret: clientSecret } = registered.clientMetadata();
    const stored = await store.putUpstreamClient(target.id, {
      issuer: server.issuer,
      clientId,
      redirectUri: redirectUri(),
      value: JSON.stringify({ clientSecret }),
    });
    return secretOf(stored);
  }
}

const stored = (value: string): { clientSecret?: unknown } => {
  const parsed: unknown = JSON.parse(value);
  return typeof parsed === "object" && parsed !== null ? parsed : {};
};

function secretOf({ clientId, value }: StoredClient): { clientId: string; clientSecret: string | undefined } {
  const { clientSecret } = stored(value);
  return { clientId, clientSecret: typeof clientSecret === "string" ? clientSecret : undefined };
}

/** openid-client reads the metadata again before it registers; it has been read a moment ago. */
function alreadyDiscovered(custom: Oidc.CustomFetch, server: Oidc.ServerMetadata): Oidc.CustomFetch {
  return (url, options) =>
    options.method === "GET"
      ? Promise.resolve(Response.json(server, { headers: { "content-type": "application/json" } }))
      : custom(url, options);
}

function grantName({ oauth }: UpstreamTarget): string {
  return oauth?.grantType === "token_exchange"
    ? "urn:ietf:params:oauth:grant-type:token-exchange"
    : "client_credentials";
}

function authenticationOf(secret: string | undefined, method: ClientRules["authMethod"]): Oidc.ClientAuth {
  if (secret === undefined || method === "none") return oidc().None();
  return method === "client_secret_post" ? oidc().ClientSecretPost(secret) : oidc().ClientSecretBasic(secret);
}

/** Without TLS only on this machine, or where the upstream itself is spoken to without. */
function isPlainAllowed({ url = "" }: UpstreamTarget, server: URL): boolean {
  const isHere = ["localhost", "[::1]"].includes(server.hostname) || server.hostname.startsWith("127.");
  return isHere || url.toLowerCase().startsWith("http:");
}

/** RFC 8707 §2: without a fragment; a query may hold credentials. */
function plainUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return pathname === "/" ? origin : `${origin}${pathname}`;
}

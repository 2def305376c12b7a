/** The OpenID Connect provider, as openid-client speaks to it. Found when somebody first signs in, and again after a while. */
import { createRequire } from "node:module";
import type * as Oidc from "openid-client";
import { lazily } from "../../../contract/lazily.ts";

// Loaded by the first who needs it: most gateways never do, and a start should not wait for it.
const oidc = lazily((): typeof Oidc => createRequire(import.meta.url)("openid-client"));

export type ProviderOptions = {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  /** All of them in place of discovery; undefined: discovery. */
  readonly endpoints: Endpoints | undefined;
  readonly scope: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
};
export type Endpoints = {
  readonly authorization: string;
  readonly token: string;
  readonly jwks: string;
  readonly userinfo: string | undefined;
};
export type Departure = {
  readonly url: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
};
export type Checks = Omit<Departure, "url">;
export type Claims = Readonly<Record<string, unknown>>;

const ANSWER_WITHIN_S = 10;
const BELIEVED_MS = 3_600_000;

export interface Provider {
  /** Where the browser goes (code flow, PKCE S256, state, nonce). Rejects when the provider cannot be found. */
  depart(redirectUri: string): Promise<Departure>;
  /** What the provider says of whoever came back; `current` is the redirect URI with the query it was asked with. */
  arrive(current: URL, checks: Checks): Promise<Claims>;
}

export function createProvider(options: ProviderOptions): Provider {
  let found: { readonly config: Promise<Oidc.Configuration>; readonly at: number } | undefined;

  function configuration(): Promise<Oidc.Configuration> {
    if (found !== undefined && options.now() < found.at + BELIEVED_MS) return found.config;
    const config = configure(options);
    const mine = { config, at: options.now() };
    found = mine;
    // A provider that could not be found is looked for again.
    config.catch(() => {
      if (found === mine) found = undefined;
    });
    return config;
  }

  return {
    async depart(redirectUri) {
      const config = await configuration();
      const verifier = oidc().randomPKCECodeVerifier();
      const [state, nonce] = [oidc().randomState(), oidc().randomNonce()];
      const url = oidc().buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        scope: options.scope,
        code_challenge: await oidc().calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
        state,
        nonce,
      });
      return { url: url.href, state, nonce, verifier };
    },
    async arrive(current, { state, nonce, verifier }) {
      const config = await configuration();
      const tokens = await oidc().authorizationCodeGrant(config, current, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      });
      const claims: Claims = tokens.claims() ?? {};
      if (claims.email !== undefined || config.serverMetadata().userinfo_endpoint === undefined) return claims;
      const more = await oidc().fetchUserInfo(config, tokens.access_token, String(claims.sub));
      return { ...more, ...claims };
    },
  };
}

async function configure(options: ProviderOptions): Promise<Oidc.Configuration> {
  const { issuer, clientId, clientSecret, endpoints } = options;
  const auth = clientSecret === undefined ? oidc().None() : oidc().ClientSecretPost(clientSecret);
  // OpenID Connect asks for https; a provider on the same machine or network may be configured without.
  const execute = new URL(issuer).protocol === "http:" ? [oidc().allowInsecureRequests] : [];
  if (endpoints === undefined) {
    const config = await oidc().discovery(new URL(issuer), clientId, undefined, auth, {
      execute: [...execute, oidc().enableNonRepudiationChecks],
      timeout: ANSWER_WITHIN_S,
    });
    return config;
  }
  const { authorization, token, jwks, userinfo } = endpoints;
  const server = { issuer, authorization_endpoint: authorization, token_endpoint: token, jwks_uri: jwks };
  const more = userinfo === undefined ? {} : { userinfo_endpoint: userinfo };
  const config = new (oidc().Configuration)({ ...server, ...more }, clientId, undefined, auth);
  config.timeout = ANSWER_WITHIN_S;
  for (const run of [...execute, oidc().enableNonRepudiationChecks]) run(config);
  return config;
}

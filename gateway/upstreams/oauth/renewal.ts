/**
 * Where tokens come from. One process of the deployment asks at a time for each token: a refresh token that rotates (RFC 9700 §4.14.2) and
 * is used twice is taken for stolen, and everything it gave is revoked.
 */
import { createHash } from "node:crypto";
import { fault } from "../../../contract/errors.ts";
import { holdLease, type SharedState } from "../../coordination/index.ts";
import type { Log } from "../../telemetry/index.ts";
import { assertionOf } from "../personal.ts";
import type { UpstreamTarget } from "../types.ts";
import { type OAuthClient, OAuthProblem } from "./client.ts";
import { type Grant, grantOf } from "./grant.ts";
import { oidc } from "./oidc.ts";

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TYPE = "urn:ietf:params:oauth:token-type:access_token";
const LEASE_HEARTBEAT_MS = 100;

/** What asserts a caller towards an authorization server. */
export type Asserting = { readonly issuer: string; readonly secret: string | undefined };

/** The authorization server will not give another token for this grant: its user has to be asked again. */
export class GrantGone extends Error {}

/**
 * A new token without anybody's help. Rejects with GrantGone where only the user can help, with OAuthProblem for what is set wrongly, and
 * with what openid-client says of other failures.
 */
export async function renewed(
  target: UpstreamTarget,
  client: OAuthClient,
  former: Grant | undefined,
  asserting: Asserting,
  now: number,
): Promise<Grant> {
  const answer = await ask(target, client, former, asserting);
  const grant = grantOf(answer, target, now, former);
  if (grant === undefined) throw new OAuthProblem("the access token that its server gave cannot stand in a header");
  return grant;
}

async function ask(target: UpstreamTarget, client: OAuthClient, former: Grant | undefined, asserting: Asserting) {
  const { config, scope, resource, audience } = client;
  const wanted = {
    resource,
    ...(scope === undefined ? {} : { scope }),
    ...(audience === undefined ? {} : { audience }),
  };
  const { oauth, actor } = target;
  switch (oauth?.grantType) {
    case "client_credentials":
      return oidc().clientCredentialsGrant(config, wanted);
    case "token_exchange": {
      if (actor === undefined) throw new OAuthProblem("it exchanges tokens of callers, and nobody calls");
      if (asserting.secret === undefined)
        throw new OAuthProblem("asserting who calls to its server needs IDENTITY_CLAIMS_SECRET");
      const { issuer } = config.serverMetadata();
      return oidc().genericGrantRequest(config, EXCHANGE, {
        ...wanted,
        // The gateway's own word on who calls; the caller's token for this gateway stays here.
        subject_token: await assertionOf(actor, issuer, asserting.issuer, asserting.secret),
        subject_token_type: JWT_TYPE,
        requested_token_type: ACCESS_TYPE,
      });
    }
    default: {
      if (former?.refreshToken === undefined) throw new GrantGone("it gave no refresh token");
      try {
        return await oidc().refreshTokenGrant(config, former.refreshToken, { resource });
      } catch (error) {
        if (error instanceof oidc().ResponseBodyError && error.error === "invalid_grant")
          throw new GrantGone(reasonOf(error));
        throw error;
      }
    }
  }
}

/** Why there is no token, from an authorization server's or the network's failure; nothing that was sent is in it. */
export function reasonOf(error: unknown): string {
  if (error instanceof oidc().ResponseBodyError) {
    const more = error.error_description === undefined ? "" : `: ${error.error_description.slice(0, 300)}`;
    return `its authorization server answers ${error.error.slice(0, 100)}${more}`;
  }
  if (error instanceof OAuthProblem || error instanceof GrantGone) return error.message;
  if (error instanceof oidc().WWWAuthenticateChallengeError) {
    const code = error.cause.map(({ parameters }) => parameters.error).find((one) => one !== undefined);
    return `its authorization server refuses the gateway's credentials (${code?.slice(0, 100) ?? `HTTP ${error.status}`})`;
  }
  const deepest = causeOf(error);
  return `its authorization server cannot be asked: ${deepest instanceof Error ? deepest.message.slice(0, 300) : "no reason given"}`;
}

/** What fetch and openid-client wrap says less than what they wrapped. */
function causeOf(error: unknown): unknown {
  let deepest = error;
  for (let depth = 0; depth < 5; depth++) {
    if (!(deepest instanceof Error) || !(deepest.cause instanceof Error)) return deepest;
    deepest = deepest.cause;
  }
  return deepest;
}

export type LeaseParts = {
  readonly state: SharedState;
  readonly workerId: string;
  readonly log: Log;
  /** How long one holder may take, ms. */
  readonly ttlMs: number;
};

/** Does the work while no other process does it for the same key. Rejects when its turn does not come within twice the time of one. */
export async function underLease<T>(parts: LeaseParts, key: string, work: () => Promise<T>): Promise<T> {
  const { state, workerId, log, ttlMs } = parts;
  const name = `oauth:${createHash("sha256").update(key).digest("base64url").slice(0, 22)}`;
  const done = Promise.withResolvers<T>();
  let begun = false;
  const late = setTimeout(() => {
    if (!begun) done.reject(fault("MCPS_STATE", { reason: "the lease of a token could not be had" }));
  }, 2 * ttlMs);
  const options = { name, ttlMs, heartbeatMs: LEASE_HEARTBEAT_MS, workerId: `${workerId}:${name}`, log };
  const lease = holdLease(state, options, {
    acquired: () => {
      // Held again after it was lost: the work goes on, and what it stores is refused if another was faster.
      if (begun) return;
      begun = true;
      work().then(done.resolve, done.reject);
    },
    lost: () => undefined,
  });
  try {
    return await done.promise;
  } finally {
    clearTimeout(late);
    await lease.close();
  }
}

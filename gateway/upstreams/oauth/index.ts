/** OAuth towards upstreams: tokens to go with, and the way by which users give them. */
import type { SharedState } from "../../coordination/index.ts";
import type { Sealing, UpstreamTokens } from "../../store/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { AddressGuard, Trust } from "../guard/index.ts";
import type { TokenSource } from "../personal.ts";
import { type ClientRules, OAuthClients } from "./client.ts";
import { type EndpointFetch, endpointFetch } from "./endpoint-fetch.ts";
import { AuthorizationFlow } from "./flow.ts";
import { TokenKeeper } from "./keeper.ts";
import type { Asserting } from "./renewal.ts";

export type { ClientRules } from "./client.ts";
export type { Begun, FlowState, Ticket } from "./flow.ts";

export type UpstreamOAuthOptions = {
  readonly rules: ClientRules;
  readonly asserting: Asserting;
  readonly store: UpstreamTokens;
  readonly state: SharedState;
  readonly sealing: Sealing;
  readonly guard: AddressGuard | undefined;
  /** The gateway's address for browsers, with its path prefix, without a slash at its end. */
  readonly publicUrl: () => string;
  readonly workerId: string;
  readonly log: Log;
  readonly now: () => number;
  readonly wallClock: () => number;
};

export interface UpstreamAuthorization {
  readonly tokens: TokenSource;
  readonly keeper: Pick<TokenKeeper, "accept" | "status" | "revoke">;
  readonly flow: AuthorizationFlow;
  close(): Promise<void>;
}

/** Resolves once changes of other processes are heard of. */
export async function openUpstreamAuthorization(options: UpstreamOAuthOptions): Promise<UpstreamAuthorization> {
  const { rules, store, state, sealing, guard, publicUrl, wallClock, now } = options;
  const fetches = new Map<Trust, EndpointFetch>();
  const http = (trust: Trust): EndpointFetch => {
    const known = fetches.get(trust) ?? endpointFetch(guard, trust, rules.timeoutMs);
    fetches.set(trust, known);
    return known;
  };
  const redirectUri = () => `${publicUrl()}/oauth/callback`;
  const clients = new OAuthClients({ rules, store, http, redirectUri, now });
  const beginUri = () => `${publicUrl()}/oauth/begin`;
  const flow = new AuthorizationFlow({ clients, sealing, state, redirectUri, beginUri, wallClock });
  const keeper = new TokenKeeper({
    ...options,
    clients,
    timeoutMs: rules.timeoutMs,
    authorizeUrl: (target, principalId) => flow.link(target, principalId),
  });
  await keeper.listen();
  return {
    tokens: keeper,
    keeper,
    flow,
    async close() {
      await keeper.close();
      await Promise.all(Array.from(fetches.values(), (one) => one.close()));
    },
  };
}

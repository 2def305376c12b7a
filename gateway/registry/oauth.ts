/** REST of authorisations: users let the gateway use upstreams for them, see whether they have, and take it back. */
import { asFault, fault } from "../../contract/errors.ts";
import type { GatewayRequest, RestResponse } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { GatewayRecord } from "../store/index.ts";
import type { Actor, FlowState, UpstreamAuthorization, UpstreamTarget } from "../upstreams/index.ts";
import { changeable, visible } from "./access.ts";
import { refreshGateway } from "./inspect.ts";
import { confirmPage, donePage, failedPage } from "./oauth-pages.ts";
import type { Call, Handler, RegistryParts } from "./types.ts";

/** What the handlers need of the upstreams room. */
export type AuthorizationParts = Pick<UpstreamAuthorization, "keeper" | "flow"> & {
  /** The upstream as it is for one caller. */
  readonly targetFor: (record: GatewayRecord, actor: Actor) => UpstreamTarget;
};

const KIND = "gateway";

/** Is it that each caller has a token of his own there? */
export function isPerCaller({ outbound }: Pick<GatewayRecord, "outbound">): boolean {
  const grantType = outbound?.oauth?.grantType;
  return grantType !== undefined && grantType !== "client_credentials";
}

export function oauthHandlers(parts: RegistryParts): {
  readonly closed: Readonly<Record<string, Handler>>;
  readonly open: Readonly<Record<string, (request: GatewayRequest) => Promise<RestResponse>>>;
} {
  const { store, authorization } = parts;
  if (authorization === undefined) return { closed: {}, open: {} };
  const { flow, keeper } = authorization;

  async function seen({ id, principal }: Call): Promise<GatewayRecord> {
    return usersOnly(visible(principal, await store.getGateway(id), KIND, id));
  }

  function targetFor(record: GatewayRecord, { id, teams, admin }: Actor): UpstreamTarget {
    if (authorization === undefined) throw fault("MCPS_NOT_FOUND", { path: record.id });
    return authorization.targetFor(record, { id, teams, admin });
  }

  /** By an id that a sealed text names. */
  async function named(
    gatewayId: string,
    principalId: string,
  ): Promise<{ record: GatewayRecord; target: UpstreamTarget }> {
    const record = await store.getGateway(gatewayId);
    if (record === undefined) throw fault("MCPS_OAUTH", { reason: "its upstream is no longer there" });
    return { record, target: targetFor(usersOnly(record), { id: principalId, teams: [], admin: false }) };
  }

  async function complete(request: GatewayRequest, state: FlowState): Promise<RestResponse> {
    const { record, target } = await named(state.gateway, state.principal);
    const grant = await flow.finish(target, state, new URLSearchParams(request.query));
    await keeper.accept(target, grant);
    return donePage(record.name, state.principal);
  }

  /** Back from the authorization server; a POST is what the page of confirmation sends. */
  async function callback(request: GatewayRequest): Promise<RestResponse> {
    const state = flow.readState(new URLSearchParams(request.query).get("state") ?? "");
    const isSame = flow.isSameBrowser(state, request.headers.cookie);
    if (isSame === false) throw fault("MCPS_OAUTH", { reason: "another browser began it" });
    if (isSame === true || request.method === "POST") return complete(request, state);
    const { record } = await named(state.gateway, state.principal);
    return confirmPage(record.name, state.principal, `?${request.query}`);
  }

  return {
    closed: {
      async authorize(call) {
        const { principal, request } = call;
        refuseAnybody(principal);
        const record = await seen(call);
        const isBrowser = /\btext\/html\b/.test(request.headers.accept ?? "");
        const { url, cookie } = await flow.begin(targetFor(record, principal), principal.id, isBrowser);
        if (!isBrowser) return { status: 200, body: { gatewayId: record.id, authorizationUrl: url } };
        return { status: 302, headers: { location: url, ...(cookie === undefined ? {} : { "set-cookie": cookie }) } };
      },
      async status(call) {
        const record = await seen(call);
        const { authorised, expiresAt, failure } = await keeper.status(targetFor(record, call.principal));
        return {
          status: 200,
          body: {
            gatewayId: record.id,
            authorised,
            expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
            failure,
          },
        };
      },
      async revoke(call) {
        const record = await seen(call);
        const found = await keeper.revoke(targetFor(record, call.principal));
        if (!found) throw fault("MCPS_ITEM_UNKNOWN", { kind: "token for gateway", id: record.id });
        return { status: 200, body: { status: "success", id: record.id } };
      },
      /** What one user is shown stands in the registry for all: only for those who may change it. */
      async fetchTools(call) {
        const { id, principal } = call;
        const record = usersOnly(changeable(principal, await store.getGateway(id), KIND, id));
        const inspect = () => parts.inspect(record, principal);
        await refreshGateway({ ...parts, inspect }, record);
        const { rows } = await store.listItems(
          ["tool"],
          { limit: 0, after: 0, includeInactive: true, gatewayId: id },
          principal,
        );
        return { status: 200, body: { gatewayId: id, tools: rows.map(({ originalName }) => originalName) } };
      },
    },
    open: {
      begin: (request) =>
        shown(async () => {
          const ticket = flow.readTicket(new URLSearchParams(request.query).get("ticket") ?? "");
          const { target } = await named(ticket.gateway, ticket.principal);
          const { url } = await flow.begin(target, ticket.principal, false);
          return { status: 302, headers: { location: url, "cache-control": "no-store" } };
        }),
      callback: (request) => shown(() => callback(request)),
    },
  };
}

/** People read these. */
async function shown(work: () => Promise<RestResponse>): Promise<RestResponse> {
  try {
    return await work();
  } catch (error) {
    const failure = asFault(error, "");
    if (failure.code === "MCPS_INTERNAL") throw error;
    return failedPage(failure.status, failure.message);
  }
}

function usersOnly(record: GatewayRecord): GatewayRecord {
  if (record.outbound?.oauth?.grantType === "authorization_code") return record;
  throw fault("MCPS_OAUTH", { reason: `${record.slug} is not authorised by its users` });
}

/** Everyone without a token is the same caller: what one of them gave all would have. */
function refuseAnybody(principal: Principal): void {
  if (principal.kind === "anonymous" && !principal.admin)
    throw fault("MCPS_FORBIDDEN", {
      principal: principal.id,
      action: "authorise the gateway without a token of his own",
    });
}

/** REST of gateways (upstreams). */
import { randomUUID } from "node:crypto";
import { fault } from "../../contract/errors.ts";
import type { RestResponse } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { GatewayInput, GatewayRecord } from "../store/index.ts";
import { changeable, checkOwnership, visible } from "./access.ts";
import { listResponse, stateFlag } from "./answers.ts";
import { gatewayInput } from "./gateway-input.ts";
import { flag, readBody, readListQuery, readQuery } from "./input.ts";
import { ask, draftRecord, refreshGateway } from "./inspect.ts";
import { isPerCaller } from "./oauth.ts";
import { showGateway } from "./present.ts";
import { invalid, type Problem } from "./problems.ts";
import { gatewayCreate, gatewayPatch } from "./schemas.ts";
import type { Call, RegistryParts } from "./types.ts";

const KIND = "gateway";
const WAITS = "its callers authorise the gateway one by one; POST /oauth/fetch-tools/{id} then lists what it has";

export function gatewayHandlers(parts: RegistryParts) {
  const { store } = parts;
  const present = (record: GatewayRecord) => showGateway(record, parts.circuitOf?.(record.id));

  async function editable(call: Call): Promise<GatewayRecord> {
    const record = changeable(call.principal, await store.getGateway(call.id), KIND, call.id);
    if (record.source === "config") {
      throw invalid(KIND, [
        { path: "source", value: "config", allowed: "declared in the configuration file; change it there" },
      ]);
    }
    refuseBuiltin(record);
    return record;
  }

  return {
    async list({ request, principal }: Call): Promise<RestResponse> {
      const input = readListQuery(request.query, "gateways", KIND);
      const page = await store.listGateways(input.query, principal);
      return listResponse("gateways", page, input, present);
    },
    async get({ id, principal }: Call): Promise<RestResponse> {
      return { status: 200, body: present(visible(principal, await store.getGateway(id), KIND, id)) };
    },
    async create({ request, principal }: Call): Promise<RestResponse> {
      const deferred = flag(readQuery(request.query, ["deferred"], KIND), "deferred", KIND, false);
      const patch = readBody(request, gatewayCreate, KIND);
      const others = await store.allGateways();
      const input = gatewayInput(patch, undefined, principal, others, parts.separator);
      checkAllowed(principal, input);
      await checkOutbound(input);
      const taken = others.find((other) => other.slug === input.slug);
      if (taken !== undefined) {
        throw fault("MCPS_ITEM_CONFLICT", { kind: KIND, field: "slug", value: input.slug, owner: "another gateway" });
      }
      const id = randomUUID();
      const { outcome, failure } = await asked(draftRecord(input, id));
      if (failure !== undefined && !deferred) throw failure;
      const created = await store.createGateway(input, outcome, id);
      await parts.changed();
      return { status: 201, headers: { location: `/v1/gateways/${created.id}` }, body: present(created) };
    },
    async update(call: Call): Promise<RestResponse> {
      const former = await editable(call);
      const deferred = flag(readQuery(call.request.query, ["deferred"], KIND), "deferred", KIND, false);
      const patch = readBody(call.request, gatewayPatch, KIND);
      const input = gatewayInput(patch, former, call.principal, await store.allGateways(), parts.separator);
      checkAllowed(call.principal, input, former);
      await checkOutbound(input, former);
      const draft = draftRecord(input, former.id);
      const isOther = draft.revision !== former.revision;
      const { outcome, failure } = isOther ? await asked(draft) : {};
      if (failure !== undefined && !deferred) throw failure;
      await store.updateGateway(former.id, input);
      if (outcome !== undefined) await store.recordInspection(former.id, outcome);
      return shown(call);
    },
    async delete(call: Call): Promise<RestResponse> {
      await store.deleteGateway((await editable(call)).id);
      await parts.changed();
      return { status: 200, body: { status: "success", id: call.id } };
    },
    async state(call: Call): Promise<RestResponse> {
      const enabled = stateFlag(call.request.query, KIND);
      await store.updateGateway((await editable(call)).id, { enabled });
      return shown(call);
    },
    async refresh(call: Call): Promise<RestResponse> {
      const record = changeable(call.principal, await store.getGateway(call.id), KIND, call.id);
      refuseBuiltin(record);
      const values = readQuery(call.request.query, ["restore", "includeResources", "includePrompts"], KIND);
      await refreshGateway(parts, record, flag(values, "restore", KIND, false));
      return {
        status: 200,
        body: present(visible(call.principal, await store.getGateway(call.id), KIND, call.id)),
      };
    },
  };

  /** Where each caller has a token of his own the gateway cannot ask for itself: somebody who has one does (POST /oauth/fetch-tools). */
  async function asked(draft: GatewayRecord): ReturnType<typeof ask> {
    return isPerCaller(draft) ? { outcome: { ok: false, reason: WAITS } } : ask(parts, draft);
  }

  /** Addresses that were good when they were stored are not asked about again: a name server that is away shall stop no other change. */
  async function checkOutbound(input: GatewayInput, former?: GatewayRecord): Promise<void> {
    const { issuer, authorizationUrl, tokenUrl } = input.outbound?.oauth ?? {};
    const before = former?.outbound?.oauth;
    const addresses = [
      { path: "url", url: input.url, known: former?.url },
      { path: "oauthConfig.issuer", url: issuer, known: before?.issuer },
      { path: "oauthConfig.authorizationUrl", url: authorizationUrl, known: before?.authorizationUrl },
      { path: "oauthConfig.tokenUrl", url: tokenUrl, known: before?.tokenUrl },
    ];
    const problems = queryProblems(input, parts.queryAuth);
    for (const { path, url, known } of addresses) {
      if (url === null || url === undefined || url === known) continue;
      const reason = await parts.checkAddress?.(new URL(url));
      if (reason !== undefined) problems.push({ path, allowed: `may not be used: ${reason}` });
    }
    if (problems.length > 0) throw invalid(KIND, problems);
  }

  async function shown(call: Call): Promise<RestResponse> {
    await parts.changed();
    return { status: 200, body: present(visible(call.principal, await store.getGateway(call.id), KIND, call.id)) };
  }
}

/** A query stands in logs and histories: only where whoever runs the gateway allows it. */
function queryProblems({ authType, url }: GatewayInput, rules: RegistryParts["queryAuth"]): Problem[] {
  if (authType !== "query_param") return [];
  if (rules?.allowed !== true)
    return [{ path: "authType", value: authType, allowed: "query_param needs INSECURE_ALLOW_QUERYPARAM_AUTH" }];
  const host = url === null ? "" : new URL(url).hostname;
  if (rules.hosts.length === 0 || rules.hosts.some((one) => one.toLowerCase() === host)) return [];
  return [{ path: "url", allowed: "its host is not among INSECURE_QUERYPARAM_AUTH_ALLOWED_HOSTS" }];
}

function refuseBuiltin({ source }: GatewayRecord): void {
  if (source !== "builtin") return;
  const allowed = "it is what the gateway hosts itself, and there as long as it hosts something";
  throw invalid(KIND, [{ path: "source", value: source, allowed }]);
}

/** A stdio upstream is a program of the caller's choice on this machine: administrators only. */
function checkAllowed(principal: Principal, input: GatewayInput, former?: GatewayRecord): void {
  if (input.transport === "STDIO" && !principal.admin) {
    throw fault("MCPS_FORBIDDEN", { principal: principal.id, action: "register a gateway with transport STDIO" });
  }
  checkOwnership(principal, input, KIND, former);
}

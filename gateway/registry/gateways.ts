/** REST of gateways (upstreams). */
import { randomUUID } from "node:crypto";
import { fault } from "../../contract/errors.ts";
import type { RestResponse } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { GatewayInput, GatewayRecord } from "../store/index.ts";
import { changeable, checkOwnership, viewerOf, visible } from "./access.ts";
import { listResponse, stateFlag } from "./answers.ts";
import { gatewayInput } from "./gateway-input.ts";
import { flag, readBody, readListQuery, readQuery } from "./input.ts";
import { ask, draftRecord, refreshGateway } from "./inspect.ts";
import { isPerCaller } from "./oauth.ts";
import { checkOutbound } from "./outbound.ts";
import { showGateway } from "./present.ts";
import { invalid } from "./problems.ts";
import { gatewayCreate, gatewayPatch } from "./schemas.ts";
import type { Call, RegistryParts } from "./types.ts";

const KIND = "gateway";
const WAITS = "its callers authorise the gateway one by one; POST /oauth/fetch-tools/{id} then lists what it has";

export function gatewayHandlers(parts: RegistryParts) {
  const { store } = parts;
  const present = (record: GatewayRecord) => showGateway(record, parts.circuitOf?.(record.id));

  async function editable(call: Call, action?: "delete"): Promise<GatewayRecord> {
    const record = changeable(call.principal, await store.getGateway(call.id), KIND, call.id, action);
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
      const page = await store.listGateways(input.query, viewerOf(principal));
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
      checkAllowed(parts, principal, input);
      await checkOutbound(parts, input);
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
      checkAllowed(parts, call.principal, input, former);
      await checkOutbound(parts, input, former);
      const draft = draftRecord(input, former.id);
      // What stands behind the point is the version of a REST upstream's operations.
      const isOther = draft.revision !== former.revision.split(".", 1)[0];
      const { outcome, failure } = isOther ? await asked(draft) : {};
      if (failure !== undefined && !deferred) throw failure;
      await store.updateGateway(former.id, input);
      if (outcome !== undefined) await store.recordInspection(former.id, outcome);
      return shown(call);
    },
    async delete(call: Call): Promise<RestResponse> {
      await store.deleteGateway((await editable(call, "delete")).id);
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

  async function shown(call: Call): Promise<RestResponse> {
    await parts.changed();
    return { status: 200, body: present(visible(call.principal, await store.getGateway(call.id), KIND, call.id)) };
  }
}

function refuseBuiltin({ source }: GatewayRecord): void {
  if (source !== "builtin") return;
  const allowed = "it is what the gateway hosts itself, and there as long as it hosts something";
  throw invalid(KIND, [{ path: "source", value: source, allowed }]);
}

/** A stdio upstream is a program of the caller's choice on this machine: administrators only. */
function checkAllowed(
  { allowsPublic }: RegistryParts,
  principal: Principal,
  input: GatewayInput,
  former?: GatewayRecord,
): void {
  if (input.transport === "STDIO" && !principal.admin) {
    throw fault("MCPS_FORBIDDEN", { principal: principal.id, action: "register a gateway with transport STDIO" });
  }
  checkOwnership(principal, input, KIND, former, allowsPublic);
}

/** REST of pinned tools: what waits for approval, what changed in it, and the decision. */
import * as z from "zod";
import { fault } from "../../contract/errors.ts";
import type { RestResponse } from "../../contract/http.ts";
import type { PinDetail } from "../store/index.ts";
import { changeable, isVisible, visible } from "./access.ts";
import { readBody, readQuery } from "./input.ts";
import { differencesOf } from "./pin-diff.ts";
import { invalid } from "./problems.ts";
import type { Call, RegistryParts } from "./types.ts";

const KIND = "pin";

export const pinDecision = z.strictObject({
  /** `pending.digest` as it was shown: what came since is not decided. */
  digest: z.string().min(1).max(100),
});
export const pinPolicy = z.strictObject({ policy: z.enum(["off", "flag", "quarantine"]).nullable() });

const difference = z.object({
  path: z.string(),
  kind: z.enum(["added", "removed", "changed"]),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
  words: z.array(z.object({ kind: z.enum(["same", "removed", "added"]), text: z.string() })).optional(),
});
export const pinRead = z.object({
  gatewayId: z.string(),
  name: z.string(),
  state: z.enum(["approved", "changed", "new", "rejected"]),
  flags: z.array(z.string()),
  digest: z.string().nullable(),
  approvedAt: z.string().nullable(),
  approvedBy: z.string().nullable(),
  firstSeen: z.string(),
  pending: z.object({ digest: z.string(), since: z.string().nullable(), differences: z.array(difference) }).nullable(),
});

function stateOf({ digest, pendingDigest, isRejected }: PinDetail): z.infer<typeof pinRead>["state"] {
  if (pendingDigest === null) return "approved";
  if (isRejected) return "rejected";
  return digest === null ? "new" : "changed";
}

function showPin(pin: PinDetail): unknown {
  const { gatewayId, name, flags, digest, approvedAt, approvedBy, firstSeen, pendingDigest, pendingSince } = pin;
  const pending =
    pendingDigest === null
      ? null
      : {
          digest: pendingDigest,
          since: pendingSince,
          differences: differencesOf(pin.definition, pin.pendingDefinition),
        };
  return { gatewayId, name, state: stateOf(pin), flags, digest, approvedAt, approvedBy, firstSeen, pending };
}

export function pinHandlers(parts: RegistryParts) {
  const { store } = parts;

  async function decide({ id, name, request, principal }: Call, approve: boolean): Promise<RestResponse> {
    changeable(principal, await store.getGateway(id), "gateway", id);
    const { digest } = readBody(request, pinDecision, KIND);
    const isDone = await store.decidePin(id, name, digest, principal.id, approve);
    const pin = await store.getPin(id, name);
    if (pin === undefined) throw fault("MCPS_ITEM_UNKNOWN", { kind: KIND, id: name.slice(0, 200) });
    if (!isDone)
      throw fault("MCPS_ITEM_CONFLICT", { kind: KIND, field: "digest", value: digest, owner: "what has come since" });
    await parts.changed();
    return { status: 200, body: showPin(pin) };
  }

  return {
    async list({ request, principal }: Call): Promise<RestResponse> {
      const values = readQuery(request.query, ["state", "gatewayId"], KIND);
      const state = values.get("state");
      if (state !== undefined && state !== "pending" && state !== "approved")
        throw invalid(KIND, [{ path: "?state", value: state.slice(0, 100), allowed: "pending, approved" }]);
      const gatewayId = values.get("gatewayId");
      const pins = await store.listPins({
        ...(gatewayId === undefined ? {} : { gatewayId }),
        ...(state === undefined ? {} : { isPending: state === "pending" }),
      });
      const mine = new Set((await store.allGateways()).filter((one) => isVisible(principal, one)).map(({ id }) => id));
      return { status: 200, body: pins.filter((pin) => mine.has(pin.gatewayId)).map(showPin) };
    },
    async get({ id, name, principal }: Call): Promise<RestResponse> {
      visible(principal, await store.getGateway(id), "gateway", id);
      const pin = await store.getPin(id, name);
      if (pin === undefined) throw fault("MCPS_ITEM_UNKNOWN", { kind: KIND, id: name.slice(0, 200) });
      return { status: 200, body: showPin(pin) };
    },
    approve: (call: Call) => decide(call, true),
    reject: (call: Call) => decide(call, false),
    async policy({ id, request, principal }: Call): Promise<RestResponse> {
      changeable(principal, await store.getGateway(id), "gateway", id);
      const { policy } = readBody(request, pinPolicy, KIND);
      await store.setPinPolicy(id, policy);
      await parts.changed();
      return { status: 200, body: { policy } };
    },
  };
}

/**
 * REST of tools, resources and prompts. They come from upstreams, and people set their names, visibility and state; or the gateway
 * hosts them itself (resources and prompts), and people make them.
 */
import type { RestResponse } from "../../contract/http.ts";
import type { HostedInput, ItemDetail, ItemKind } from "../store/index.ts";
import { changeable, checkOwnership, viewerOf, visible } from "./access.ts";
import { listResponse, stateFlag } from "./answers.ts";
import { type Hosted, type HostedSettings, hostedPrompt, hostedResource, hostedSettings, isHosted } from "./hosted.ts";
import { readBody, readListQuery } from "./input.ts";
import { showItem } from "./present.ts";
import { createRestTool, updateRestTool } from "./rest-tools.ts";
import { itemPatch, promptCreate, promptPatch, resourceCreate, resourcePatch } from "./schemas.ts";
import type { Call, RegistryParts } from "./types.ts";

export const KINDS_OF = {
  tools: ["tool"],
  resources: ["resource", "resourceTemplate"],
  prompts: ["prompt"],
} as const satisfies Record<string, readonly ItemKind[]>;
export type ItemResource = keyof typeof KINDS_OF;

export function itemHandlers(parts: RegistryParts, resource: ItemResource) {
  const { store } = parts;
  const kinds: readonly ItemKind[] = KINDS_OF[resource];
  const kind = resource.slice(0, -1);

  async function list({ request, principal }: Call, chosen: readonly ItemKind[]): Promise<RestResponse> {
    const input = readListQuery(request.query, `${resource}:${chosen.join("+")}`, kind, ["gatewayId"]);
    return listResponse(resource, await store.listItems(chosen, input.query, viewerOf(principal)), input, showItem);
  }

  async function owned(call: Call, action?: "delete"): Promise<ItemDetail> {
    return changeable(call.principal, await store.getItem(kinds, call.id), kind, call.id, action);
  }

  async function get({ id, principal }: Call): Promise<RestResponse> {
    const item = visible(principal, await store.getItem(kinds, id), kind, id);
    return { status: 200, body: showItem(item, isHosted(item) ? await store.hostedBody(item.id) : undefined) };
  }

  /** What the request says about a hosted item, new or known. */
  function hostedInput(
    { request, principal }: Call,
    former?: Hosted,
  ): { input: HostedInput; settings: HostedSettings } {
    const isNew = former === undefined;
    if (resource === "prompts") {
      const patch = readBody(request, isNew ? promptCreate : promptPatch, kind);
      return { input: hostedPrompt(patch, former), settings: hostedSettings(patch, former?.item, principal) };
    }
    const patch = readBody(request, isNew ? resourceCreate : resourcePatch, kind);
    return { input: hostedResource(patch, former), settings: hostedSettings(patch, former?.item, principal) };
  }

  async function updateHosted(call: Call, item: ItemDetail): Promise<RestResponse> {
    const former = { item, body: (await store.hostedBody(item.id)) ?? { body: "", encoding: "text" as const } };
    const { input, settings } = hostedInput(call, former);
    checkOwnership(call.principal, settings, kind, item, parts.allowsPublic);
    const updated = await store.updateHosted(item.id, input, settings);
    await parts.changed();
    return { status: 200, body: showItem(updated, input) };
  }

  return {
    list: (call: Call) => list(call, resource === "resources" ? ["resource"] : kinds),
    templates: (call: Call) => list(call, ["resourceTemplate"]),
    get,
    info: get,
    async create(call: Call): Promise<RestResponse> {
      if (resource === "tools") return createRestTool(parts, call);
      const { input, settings } = hostedInput(call);
      checkOwnership(call.principal, settings, kind, undefined, parts.allowsPublic);
      const created = await store.createHosted(input, settings);
      await parts.changed();
      return { status: 201, headers: { location: `/v1/${resource}/${created.id}` }, body: showItem(created, input) };
    },
    async update(call: Call): Promise<RestResponse> {
      const former = await owned(call);
      if (isHosted(former)) return updateHosted(call, former);
      const updated = resource === "tools" ? await updateRestTool(parts, call, former) : undefined;
      if (updated !== undefined) return updated;
      const patch = readBody(call.request, itemPatch, kind);
      const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
      checkOwnership(call.principal, { ...former, ...given }, kind, former, parts.allowsPublic);
      const item = await store.updateItem(kinds, call.id, given);
      await parts.changed();
      return { status: 200, body: showItem(item) };
    },
    async delete(call: Call): Promise<RestResponse> {
      await store.deleteItem((await owned(call, "delete")).id);
      await parts.changed();
      return { status: 200, body: { status: "success", id: call.id } };
    },
    async state(call: Call): Promise<RestResponse> {
      const enabled = stateFlag(call.request.query, kind);
      await owned(call);
      const item = await store.updateItem(kinds, call.id, { enabled });
      await parts.changed();
      return { status: 200, body: showItem(item) };
    },
  };
}

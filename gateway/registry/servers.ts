/** REST of virtual servers. */
import type { RestResponse } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { ItemDetail, ItemKind, Page, ServerInput, ServerRecord } from "../store/index.ts";
import { changeable, checkOwnership, isUsable, isVisible, viewerOf, visible } from "./access.ts";
import { listResponse, stateFlag } from "./answers.ts";
import { readBody, readListQuery } from "./input.ts";
import { type ItemResource, KINDS_OF } from "./items.ts";
import { showItem, showServer } from "./present.ts";
import { invalid, type Problem } from "./problems.ts";
import { type ServerPatch, serverCreate, serverPatch } from "./schemas.ts";
import type { Call, RegistryParts } from "./types.ts";

const KIND = "server";
const ASSOCIATIONS = [
  ["associatedTools", "tools"],
  ["associatedResources", "resources"],
  ["associatedPrompts", "prompts"],
] as const satisfies readonly (readonly [string, ItemResource])[];
const ALL_KINDS: readonly ItemKind[] = ["tool", "resource", "resourceTemplate", "prompt"];

export function serverHandlers(parts: RegistryParts) {
  const { store, separator } = parts;

  async function shown(principal: Principal, records: readonly ServerRecord[]) {
    const ids = [...new Set(records.flatMap((record) => record.itemIds))];
    const items = ids.length === 0 ? [] : await store.findItems(ALL_KINDS, ids, separator);
    const kinds = new Map(items.filter((item) => isVisible(principal, item)).map((item) => [item.id, item.kind]));
    const gateways = (await store.allGateways()).filter((record) => isVisible(principal, record));
    const gatewayIds = new Set(gateways.map((record) => record.id));
    return (record: ServerRecord) => showServer(record, kinds, gatewayIds);
  }

  async function one(principal: Principal, record: ServerRecord, status = 200): Promise<RestResponse> {
    const headers = status === 201 ? { location: `/v1/servers/${record.id}` } : {};
    return { status, headers, body: (await shown(principal, [record]))(record) };
  }

  async function gatewayIds(principal: Principal, names: readonly string[], problems: Problem[]): Promise<string[]> {
    const known = (await store.allGateways()).filter((record) => isUsable(principal, record));
    return names.flatMap((name, index) => {
      const found = known.find((record) => record.id === name || record.slug === name);
      if (found !== undefined) return [found.id];
      problems.push({ path: `associatedGateways.${index}`, value: name, allowed: "id or slug of a gateway" });
      return [];
    });
  }

  /** An id, a custom name, the listed name with its prefix, or the upstream's name where only one upstream has it. */
  async function itemIds(
    principal: Principal,
    [field, resource]: (typeof ASSOCIATIONS)[number],
    names: readonly string[],
    problems: Problem[],
  ): Promise<string[]> {
    if (names.length === 0) return [];
    const candidates = await store.findItems(KINDS_OF[resource], names, separator);
    const known = candidates.filter((item) => isUsable(principal, item));
    return names.flatMap((name, index) => {
      const exact = known.filter((item) => exactNames(item).includes(name));
      const found = exact.length > 0 ? exact : known.filter((item) => item.originalName === name);
      if (found.length === 1 && found[0] !== undefined) return [found[0].id];
      const allowed =
        found.length === 0
          ? `id or name of one of the ${resource}`
          : `several upstreams have it: ${found.map((item) => item.gatewaySlug + separator + item.originalName).join(", ")}`;
      problems.push({ path: `${field}.${index}`, value: name, allowed: allowed.slice(0, 500) });
      return [];
    });
  }

  function exactNames(item: ItemDetail): (string | null)[] {
    const { gatewaySlug: slug, originalName: name } = item;
    return [item.id, item.customName, slug + separator + name, `${slug}+${name}`];
  }

  async function inputOf(
    patch: ServerPatch,
    former: ServerRecord | undefined,
    principal: Principal,
  ): Promise<ServerInput> {
    const problems: Problem[] = [];
    const items: string[] = [];
    const formerItems = former === undefined ? [] : await store.findItems(ALL_KINDS, former.itemIds, separator);
    for (const association of ASSOCIATIONS) {
      const names = patch[association[0]];
      const kinds: readonly ItemKind[] = KINDS_OF[association[1]];
      if (names !== undefined) items.push(...(await itemIds(principal, association, names, problems)));
      else {
        const kept = formerItems.filter((item) => kinds.includes(item.kind) && former?.itemIds.includes(item.id));
        items.push(...kept.map((item) => item.id));
      }
    }
    const { associatedGateways } = patch;
    const gateways =
      associatedGateways === undefined
        ? (former?.gatewayIds ?? [])
        : await gatewayIds(principal, associatedGateways, problems);
    if (problems.length > 0) throw invalid(KIND, problems);
    return {
      name: patch.name ?? former?.name ?? "",
      description: patch.description ?? former?.description ?? "",
      icon: patch.icon === undefined ? (former?.icon ?? null) : patch.icon,
      tags: patch.tags ?? former?.tags ?? [],
      gatewayIds: gateways,
      itemIds: [...new Set(items)],
      prefixMode: patch.prefixMode ?? former?.prefixMode ?? "conditional",
      failureMode: patch.failureMode ?? former?.failureMode ?? "open",
      visibility: patch.visibility ?? former?.visibility ?? "public",
      teamId: patch.teamId === undefined ? (former?.teamId ?? null) : patch.teamId,
      ownerEmail:
        patch.ownerEmail === undefined ? (former === undefined ? principal.id : former.ownerEmail) : patch.ownerEmail,
      enabled: patch.enabled ?? former?.enabled ?? true,
    };
  }

  async function associated({ id, request, principal }: Call, resource: ItemResource): Promise<RestResponse> {
    visible(principal, await store.getServer(id), KIND, id);
    const input = readListQuery(request.query, `servers/${id}/${resource}`, KIND);
    const kinds: readonly ItemKind[] = KINDS_OF[resource];
    const page: Page<ItemDetail> = await store.listItems(kinds, { ...input.query, serverId: id }, viewerOf(principal));
    return listResponse(resource, page, input, showItem);
  }

  return {
    async list({ request, principal }: Call): Promise<RestResponse> {
      const input = readListQuery(request.query, "servers", KIND);
      const page = await store.listServers(input.query, viewerOf(principal));
      return listResponse("servers", page, input, await shown(principal, page.rows));
    },
    async get({ id, principal }: Call): Promise<RestResponse> {
      return one(principal, visible(principal, await store.getServer(id), KIND, id));
    },
    async create({ request, principal }: Call): Promise<RestResponse> {
      const { id, ...patch } = readBody(request, serverCreate, KIND);
      const input = await inputOf(patch, undefined, principal);
      checkOwnership(principal, input, KIND, undefined, parts.allowsPublic);
      const created = await store.createServer(input, id);
      await parts.changed();
      return one(principal, created, 201);
    },
    async update({ id, request, principal }: Call): Promise<RestResponse> {
      const former = changeable(principal, await store.getServer(id), KIND, id);
      const input = await inputOf(readBody(request, serverPatch, KIND), former, principal);
      checkOwnership(principal, input, KIND, former, parts.allowsPublic);
      const record = await store.updateServer(id, input);
      await parts.changed();
      return one(principal, record);
    },
    async delete({ id, principal }: Call): Promise<RestResponse> {
      await store.deleteServer(changeable(principal, await store.getServer(id), KIND, id, "delete").id);
      await parts.changed();
      return { status: 200, body: { status: "success", id } };
    },
    async state({ id, request, principal }: Call): Promise<RestResponse> {
      const enabled = stateFlag(request.query, KIND);
      changeable(principal, await store.getServer(id), KIND, id);
      const record = await store.updateServer(id, { enabled });
      await parts.changed();
      return one(principal, record);
    },
    tools: (call: Call) => associated(call, "tools"),
    resources: (call: Call) => associated(call, "resources"),
    prompts: (call: Call) => associated(call, "prompts"),
  };
}

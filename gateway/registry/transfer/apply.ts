/** Stores what an import has planned: what asks others is asked before, so that a transaction waits for nothing but the database. */
import { randomUUID } from "node:crypto";
import type { Principal } from "../../../contract/principal.ts";
import type {
  GatewayInput,
  GatewayRecord,
  HostedInput,
  InspectionOutcome,
  ItemDetail,
  ItemKind,
  ItemPatch,
  ListQuery,
  RegistryStore,
  RestToolRow,
  ServerInput,
} from "../../store/index.ts";
import { compileRestTool, operationProblems, REST_CAPABILITIES } from "../../upstreams/index.ts";
import { checkOutbound } from "../outbound.ts";
import { invalid } from "../problems.ts";
import type { RegistryParts } from "../types.ts";
import type { GatewayEntry, GatewaySecrets, HostedEntry, ItemEntry, ServerEntry } from "./document.ts";
import { overseer } from "./export.ts";
import type { Step } from "./plan.ts";
import type { SecretsBySlug } from "./secrets.ts";

const KINDS: readonly ItemKind[] = ["tool", "resource", "resourceTemplate", "prompt"];
const ALL: ListQuery = { limit: 0, after: 0, includeInactive: true };

export type Context = {
  readonly principal: Principal;
  readonly secrets: SecretsBySlug;
  /** Names of secrets that the document does not hold. */
  readonly missing: Readonly<Record<string, readonly string[]>>;
  /** Slug in the document → slug here. */
  readonly slugs: Map<string, string>;
  /** Tools of ours that were approved by being changed, by the id of their upstream. */
  readonly approved: Approved;
};
export type Approved = Map<string, readonly string[]>;

/** An upstream may stand in a document twice. */
export function addApproved(approved: Approved, gatewayId: string, tools: readonly string[]): void {
  approved.set(gatewayId, [...new Set([...(approved.get(gatewayId) ?? []), ...tools])]);
}

/** Rejects with the Fault that says why this one cannot be stored, as far as that can be told before. */
export async function checkStep(parts: RegistryParts, context: Context, step: Step): Promise<void> {
  if (step.type !== "gateways" || step.action === "skip") return;
  const { entry } = step;
  if (entry.transport === "STDIO" && !context.principal.admin)
    throw invalid("gateway", [{ path: "transport", value: "STDIO", allowed: "for administrators only" }]);
  toolsOf(entry);
  const { input, former } = await givenOf(parts.store, context, step);
  await checkOutbound(parts, input, former);
}

/** Asks nobody but `store`, which may be a transaction. Rejects with what the database said of this one. */
export async function applyStep(store: RegistryStore, context: Context, step: Step): Promise<void> {
  if (step.type === "gateways") context.slugs.set(step.entry.slug, step.as);
  if (step.action === "skip") return;
  if (step.type === "gateways") await storeGateway(store, context, step);
  else if (step.type === "servers") await storeServer(store, context, step);
  else await storeHosted(store, step);
}

type GatewayStep = Extract<Step, { type: "gateways" }>;

function inputOf(entry: GatewayEntry, slug: string, secrets: GatewaySecrets, lacks: boolean): GatewayInput {
  const {
    id: _,
    items: __,
    import: ___,
    capabilities: ____,
    instructions: _____,
    isolation,
    outbound,
    ...plain
  } = entry;
  const { headers = {}, env = {}, more, query = "" } = secrets;
  return {
    ...plain,
    ...(isolation === undefined ? {} : { isolation }),
    ...(outbound === undefined ? {} : { outbound }),
    slug,
    url: entry.url === null ? null : entry.url + query,
    stdio: entry.stdio === null ? null : { ...entry.stdio, env },
    authHeaders: headers,
    ...(more === undefined ? {} : { secrets: more }),
    // Without its credentials an upstream is asked nothing: an answer to a stranger is not what its users should get.
    enabled: entry.enabled && !lacks,
    source: "api",
  };
}

/** The upstream as it will be stored, and what it is now where it is updated. */
async function givenOf(
  store: Pick<RegistryStore, "getGateway">,
  { secrets, missing }: Context,
  { entry, as, existing, action }: GatewayStep,
): Promise<{ readonly input: GatewayInput; readonly former?: GatewayRecord; readonly lacking: readonly string[] }> {
  const lacking = missing[entry.slug] ?? [];
  const input = inputOf(entry, as, secrets[entry.slug] ?? {}, lacking.length > 0 && action !== "update");
  if (action !== "update" || existing === undefined) return { input, lacking };
  const former = await store.getGateway(existing);
  // What the document does not hold of secrets stays what it is here.
  const kept = lacking.length === 0 || former === undefined ? {} : keptSecrets(former);
  return { input: { ...input, ...kept }, lacking, ...(former === undefined ? {} : { former }) };
}

async function storeGateway(store: RegistryStore, context: Context, step: GatewayStep): Promise<void> {
  const { principal } = context;
  const { entry, existing, action, notes } = step;
  const tools = toolsOf(entry);
  const { input, lacking } = await givenOf(store, context, step);
  if (action === "update" && existing !== undefined) {
    await store.updateGateway(existing, input);
    if (entry.transport === "REST") await updateTools(store, context, existing, entry, tools);
    await setItems(store, principal, existing, entry.items);
    return;
  }
  const id = (await store.getGateway(entry.id)) === undefined ? entry.id : randomUUID();
  if (lacking.length > 0) notes.push(`its secrets are missing (${lacking.join(", ")}): set them, then enable it`);
  if (entry.transport === "REST") {
    const about = { id, capabilities: REST_CAPABILITIES, reachable: entry.capabilities !== null };
    await store.createRestGateway(input, tools, entry.import === undefined ? about : { ...about, from: entry.import });
  } else await store.createGateway(input, entry.capabilities === null ? undefined : outcomeOf(entry), id);
  await setItems(store, principal, id, entry.items);
}

function keptSecrets({ authHeaders, stdio, secrets, url }: GatewayInput): Partial<GatewayInput> {
  return { authHeaders, ...(secrets === undefined ? {} : { secrets }), ...(stdio === null ? { url } : { stdio }) };
}

function outcomeOf(entry: GatewayEntry): InspectionOutcome {
  return {
    ok: true,
    capabilities: JSON.stringify(entry.capabilities),
    instructions: entry.instructions,
    items: entry.items.map(({ kind, originalName, definition }) => ({ kind, originalName, definition })),
    incomplete: [],
    note: null,
  };
}

/** Throws MCPS_ITEM_INVALID for a tool that could not be called, or that is there twice. */
function toolsOf({ transport, items }: GatewayEntry): RestToolRow[] {
  if (transport !== "REST") return [];
  const names = new Set<string>();
  return items.map(({ originalName: name, definition, operation = "", sourceKey = null }) => {
    if (names.has(name)) throw invalid("tool", [{ path: name, allowed: "has to be in its upstream once" }]);
    names.add(name);
    try {
      const [problem] = operationProblems(compileRestTool({ name, definition, operation }).operation);
      if (problem !== undefined) throw new Error(problem);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw invalid("tool", [{ path: name, allowed: `has to be one that can be called: ${reason.slice(0, 300)}` }]);
    }
    return { name, definition, operation, sourceKey };
  });
}

async function updateTools(
  store: RegistryStore,
  { principal, approved }: Context,
  id: string,
  entry: GatewayEntry,
  tools: readonly RestToolRow[],
): Promise<void> {
  const known = new Map((await store.restTools(id)).map((tool) => [tool.name, tool.id]));
  const changed = tools.flatMap((tool) => {
    const toolId = known.get(tool.name);
    return toolId === undefined ? [] : [{ ...tool, id: toolId }];
  });
  const added = tools.filter(({ name }) => !known.has(name));
  addApproved(approved, id, await store.changeRestTools(id, { added, changed, gone: [] }, principal.id, entry.import));
}

/** Only what is not as the upstream's items are by themselves costs a statement. */
async function setItems(
  store: RegistryStore,
  principal: Principal,
  gatewayId: string,
  entries: readonly ItemEntry[],
): Promise<void> {
  const { rows } = await store.listItems(KINDS, { ...ALL, gatewayId }, overseer(principal.id));
  const stored = new Map(rows.map((item) => [`${item.kind} ${item.originalName}`, item]));
  for (const entry of entries) {
    const item = stored.get(`${entry.kind} ${entry.originalName}`);
    if (item === undefined) continue;
    const patch = patchOf(entry);
    if (differs(item, patch)) await store.updateItem(KINDS, item.id, patch);
  }
}

function patchOf(entry: ItemEntry): Required<ItemPatch> {
  const { customName, displayName, description, tags, visibility, teamId, ownerEmail, enabled } = entry;
  return { customName, displayName, description, tags, visibility, teamId, ownerEmail, enabled };
}

function differs(item: ItemDetail, patch: Required<ItemPatch>): boolean {
  const { customName, displayName, description, tags, visibility, teamId, ownerEmail, enabled } = item;
  const now = { customName, displayName, description, tags, visibility, teamId, ownerEmail, enabled };
  return JSON.stringify(now) !== JSON.stringify(patch);
}

async function storeHosted(store: RegistryStore, step: Extract<Step, { entry: HostedEntry }>): Promise<void> {
  const { entry, as, existing, action } = step;
  const { kind, definition, body, encoding, ...settings } = entry;
  const { originalName: _, ...patch } = settings;
  const named = as === entry.originalName ? definition : renamed(definition, as);
  const input: HostedInput = { kind, originalName: as, definition: named, body, encoding };
  if (action === "update" && existing !== undefined) {
    await store.updateHosted(existing, input, { ...patch, description: null });
  } else await store.createHosted(input, { ...patch, description: null });
}

function renamed(definition: string, name: string): string {
  return JSON.stringify({ ...JSON.parse(definition), name });
}

async function storeServer(
  store: RegistryStore,
  { principal, slugs }: Context,
  step: Extract<Step, { entry: ServerEntry }>,
): Promise<void> {
  const { entry, as, existing, action, notes } = step;
  const { id, gateways, items, ...plain } = entry;
  const here = new Map((await store.allGateways()).map((one) => [one.slug, one.id]));
  const { rows } = await store.listItems(KINDS, ALL, overseer(principal.id));
  const known = new Map(
    rows.map((item) => [JSON.stringify([item.gatewaySlug, item.kind, item.originalName]), item.id]),
  );
  const slugOf = (slug: string) => slugs.get(slug) ?? slug;
  const found = <T>(what: string, value: T | undefined): T[] => {
    if (value === undefined) notes.push(`${what} is not here`);
    return value === undefined ? [] : [value];
  };
  const input: ServerInput = {
    ...plain,
    name: as,
    gatewayIds: gateways.flatMap((slug) => found(`gateway ${slug}`, here.get(slugOf(slug)))),
    itemIds: items.flatMap(({ gateway, kind, name }) =>
      found(`${kind} ${name} of ${gateway}`, known.get(JSON.stringify([slugOf(gateway), kind, name]))),
    ),
  };
  if (action === "update" && existing !== undefined) await store.updateServer(existing, input);
  else if ((await store.getServer(id)) === undefined) await store.createServer(input, id);
  else await store.createServer(input);
}

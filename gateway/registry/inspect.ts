/** From what an upstream lists to what the store keeps of it. */
import { randomUUID } from "node:crypto";
import { asFault, type Fault, fault } from "../../contract/errors.ts";
import {
  type GatewayInput,
  type GatewayRecord,
  type InspectionOutcome,
  type ItemKind,
  type ListedItem,
  revisionOf,
  type Store,
} from "../store/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { Actor, InspectedItem, Inspection } from "../upstreams/index.ts";

export type InspectParts = {
  readonly store: Store;
  /** Lists everything of an upstream, as this caller sees it where that makes a difference; rejects with the Fault that says why it cannot. */
  readonly inspect: (record: GatewayRecord, actor?: Actor) => Promise<Inspection>;
  /** The catalogue has a new version; resolves when this process shows it. */
  readonly changed: (version?: number) => Promise<void>;
  readonly log: Log;
};

const LISTS: readonly { readonly kind: ItemKind; readonly names: readonly string[] }[] = [
  { kind: "tool", names: ["tools", "tools/list"] },
  { kind: "prompt", names: ["prompts", "prompts/list"] },
  { kind: "resource", names: ["resources", "resources/list"] },
  { kind: "resourceTemplate", names: ["resourceTemplates", "resources/templates/list"] },
];

const listed = (kind: ItemKind, items: readonly InspectedItem[]): ListedItem[] =>
  items.map(({ name, raw }) => ({ kind, originalName: name, definition: raw.toString("utf8") }));

export function outcomeOf(inspection: Inspection): InspectionOutcome {
  const { profile, incomplete, kept = [] } = inspection;
  return {
    ok: true,
    capabilities: profile.capabilities.toString("utf8"),
    instructions: profile.instructions ?? null,
    items: [
      ...listed("tool", inspection.tools),
      ...listed("prompt", inspection.prompts),
      ...listed("resource", inspection.resources),
      ...listed("resourceTemplate", inspection.resourceTemplates),
    ],
    incomplete: [...incomplete.map(({ list }) => list), ...kept].flatMap((list) =>
      LISTS.filter(({ names }) => names.includes(list)).map(({ kind }) => kind),
    ),
    note:
      incomplete.length === 0
        ? null
        : incomplete
            .map(({ list, reason }) => `${list} is not complete: ${reason}`)
            .join("; ")
            .slice(0, 2000),
  };
}

/** A record as it would be stored, for asking an upstream before anything is stored. */
export function draftRecord(input: GatewayInput, id: string = randomUUID()): GatewayRecord {
  const now = new Date().toISOString();
  const unknown = { lastError: null, lastSeen: null, lastRefreshAt: null, capabilities: null, instructions: null };
  return { ...input, ...unknown, id, reachable: false, revision: revisionOf(input), createdAt: now, updatedAt: now };
}

/** Asks an upstream; a failure is an outcome too. */
export async function ask(
  { inspect, log }: Pick<InspectParts, "inspect" | "log">,
  record: GatewayRecord,
): Promise<{ readonly outcome: InspectionOutcome; readonly failure?: Fault }> {
  try {
    const inspection = await inspect(record);
    for (const { list, reason } of inspection.incomplete) {
      log.warn("registry.list_incomplete", { upstream: record.slug, list, reason });
    }
    return { outcome: outcomeOf(inspection) };
  } catch (error) {
    const known = asFault(error, "");
    if (known.code === "MCPS_INTERNAL")
      log.error("registry.inspect_failed", { upstream: record.slug, reason: String(error) });
    const failure =
      known.code === "MCPS_INTERNAL"
        ? fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: record.slug, reason: "it could not be inspected" })
        : known;
    return { outcome: { ok: false, reason: failure.message }, failure };
  }
}

/** Asks a registered upstream again and stores what it lists. Rejects, after storing that, when it cannot be reached. */
export async function refreshGateway(parts: InspectParts, record: GatewayRecord, restore = false): Promise<void> {
  const { outcome, failure } = await ask(parts, record);
  // Still away for the same reason: nothing to write, nothing for other replicas to load.
  const isNews = outcome.ok || record.reachable || record.lastError !== outcome.reason.slice(0, 2000);
  if (isNews) {
    await parts.store.recordInspection(record.id, outcome, restore);
    await parts.changed();
  }
  if (failure !== undefined) throw failure;
}

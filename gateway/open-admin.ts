/** The admin room over the store, and over what this worker keeps of records. Part of the composition root. */
import type { RestRoom } from "../contract/rest.ts";
import type { Settings } from "../contract/settings.ts";
import { type AdminSubject, createAdmin, type ItemName } from "./admin/index.ts";
import type { Caches } from "./cache/index.ts";
import type { Upkeep } from "./keep-records.ts";
import type { Records } from "./start-records.ts";
import type { Store } from "./store/index.ts";

/** Templates are resources here: their calls are recorded under the URI that was read. */
const KINDS = { tool: ["tool"], resource: ["resource", "resourceTemplate"], prompt: ["prompt"] } as const;

export function openAdmin(
  settings: Settings,
  store: Store,
  records: Records,
  upkeep: Upkeep,
  caches: Pick<Caches, "create">,
  ...subjects: readonly AdminSubject[]
): RestRoom {
  const itemOf = async (kind: ItemName["kind"], id: string): Promise<ItemName | undefined> => {
    const item = await store.getItem(KINDS[kind], id);
    return item === undefined ? undefined : { kind, gatewayId: item.gatewayId, name: item.originalName.slice(0, 256) };
  };
  return createAdmin(
    {
      records: store.records,
      itemOf,
      chainKeys: records.chainKeys,
      caches,
      cacheTtlMs: settings.METRICS_CACHE_ENABLED ? settings.METRICS_CACHE_TTL_SECONDS * 1000 : 0,
      maxResults: settings.LOG_SEARCH_MAX_RESULTS,
      flush: () => records.flush(),
      buffers: () => records.buffers(),
      async rollUp() {
        const until = await upkeep.rollUp();
        return until === undefined ? null : new Date(until).toISOString();
      },
      cleanUp: () => upkeep.cleanUp(),
      now: Date.now,
    },
    ...subjects,
  );
}

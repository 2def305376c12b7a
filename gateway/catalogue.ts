/**
 * Keeps the federation's picture of the registry current: at once for changes made here, by message for changes made
 * elsewhere, and by a look at the version for messages that were lost. Part of the composition root.
 */
import type { SharedState } from "./coordination/index.ts";
import type { Federation } from "./federation/index.ts";
import type { Conversations } from "./sessions/index.ts";
import type { Store } from "./store/index.ts";
import type { Log } from "./telemetry/index.ts";

const CHANNEL = "catalogue";
const RECHECK_MS = 5000;

export type CatalogueWatch = {
  /** The newest version heard of: told by another process, perhaps not yet loaded here. */
  readonly version: number;
  changed(): Promise<void>;
  close(): Promise<void>;
};

export async function watchCatalogue(
  store: Pick<Store, "loadSnapshot" | "catalogueVersion">,
  state: SharedState,
  federation: Pick<Federation, "version" | "replace">,
  conversations: Pick<Conversations, "catalogueChanged">,
  log: Log,
): Promise<CatalogueWatch> {
  let loading: Promise<void> | undefined;
  let again = false;
  let announced = 0;

  async function load(): Promise<void> {
    const snapshot = await store.loadSnapshot();
    if (snapshot.version === federation.version) return;
    conversations.catalogueChanged(federation.replace(snapshot));
  }

  /** Loads once more when asked while loading, so that the newest change is never missed. */
  function reload(): Promise<void> {
    if (loading !== undefined) {
      again = true;
      return loading;
    }
    loading = (async () => {
      try {
        do {
          again = false;
          await load();
        } while (again);
        // A database that was set back to an older state counts from there.
        announced = federation.version;
      } finally {
        // In the same step as the last look at `again`: who asks after it starts anew.
        loading = undefined;
      }
    })();
    return loading;
  }

  const warn = (error: unknown) => log.warn("the catalogue could not be reloaded", { reason: String(error) });
  const leave = await state.subscribe(CHANNEL, (version) => {
    announced = Math.max(announced, Number(version) || 0);
    void reload().catch(warn);
  });
  const timer = setInterval(() => {
    if (state.kind === "memory") return;
    store
      .catalogueVersion()
      .then((version) => (version === federation.version ? undefined : reload()))
      .catch(warn);
  }, RECHECK_MS);
  timer.unref();

  return {
    get version() {
      return Math.max(announced, federation.version);
    },
    async changed() {
      await reload();
      if (state.kind !== "memory") await state.publish(CHANNEL, String(federation.version));
    },
    async close() {
      clearInterval(timer);
      await leave();
    },
  };
}

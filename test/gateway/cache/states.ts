/** Two processes' views of one store that says what it is like, and a switch that takes it away. */
import { fault } from "../../../contract/errors.ts";
import { memoryState, type SharedState } from "../../../gateway/coordination/index.ts";

export type SharedStore = {
  readonly states: readonly [SharedState, SharedState];
  /** While true everything rejects. */
  isAway: boolean;
  /** While true nothing that is published arrives. */
  isDeaf: boolean;
  /** As FLUSHALL. */
  flush(): void;
};

/** Memory that claims to be Redis: caches then treat it as something that several processes share. */
export function sharedStore(now: () => number): SharedStore {
  let memory = memoryState({ now });
  const store = {
    isAway: false,
    isDeaf: false,
    flush() {
      const former = memory;
      memory = memoryState({ now });
      // Subscriptions outlive the data.
      memory.subscribe = former.subscribe.bind(former);
      const publish = former.publish.bind(former);
      memory.publish = publish;
    },
  };
  const view = (): SharedState =>
    new Proxy(memory, {
      get(_, name: keyof SharedState) {
        if (name === "kind") return "redis";
        return async (...values: never[]) => {
          if (store.isAway) throw fault("MCPS_STATE", { reason: "away" });
          if (store.isDeaf && name === "publish") return undefined;
          const operation: (...values: never[]) => unknown = memory[name];
          return operation.apply(memory, values);
        };
      },
    });
  return Object.assign(store, { states: [view(), view()] as const });
}

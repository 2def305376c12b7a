/** A SharedState whose operations can be wrapped: delayed, failed, counted. It calls itself Redis, so that nothing takes the short way of memory. */
import type { SharedState } from "../../../gateway/coordination/index.ts";

export type Wrap = <T>(operation: keyof SharedState, run: () => Promise<T>) => Promise<T>;

export function wrapState(state: SharedState, wrap: Wrap): SharedState {
  return {
    kind: "redis",
    get: (key) => wrap("get", () => state.get(key)),
    set: (...given) => wrap("set", () => state.set(...given)),
    delete: (key) => wrap("delete", () => state.delete(key)),
    mapGet: (key) => wrap("mapGet", () => state.mapGet(key)),
    mapSet: (...given) => wrap("mapSet", () => state.mapSet(...given)),
    mapDelete: (...given) => wrap("mapDelete", () => state.mapDelete(...given)),
    append: (...given) => wrap("append", () => state.append(...given)),
    readAfter: (...given) => wrap("readAfter", () => state.readAfter(...given)),
    renewLog: (...given) => wrap("renewLog", () => state.renewLog(...given)),
    acquire: (...given) => wrap("acquire", () => state.acquire(...given)),
    release: (...given) => wrap("release", () => state.release(...given)),
    putFenced: (...given) => wrap("putFenced", () => state.putFenced(...given)),
    publish: (...given) => wrap("publish", () => state.publish(...given)),
    subscribe: (...given) => wrap("subscribe", () => state.subscribe(...given)),
    take: (...given) => wrap("take", () => state.take(...given)),
    ping: () => wrap("ping", () => state.ping()),
    close: () => state.close(),
  };
}

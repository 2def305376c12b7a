/** The upstreams room and the federation over it, by the settings. Part of the composition root. */
import { randomBytes } from "node:crypto";
import type { Settings } from "../contract/settings.ts";
import type { Caches } from "./cache/index.ts";
import type { SharedState } from "./coordination/index.ts";
import { createFederation } from "./federation/index.ts";
import type { Foundation } from "./foundation.ts";
import type { Measures } from "./measures.ts";
import type { Pins } from "./pins.ts";
import { sessionOptions } from "./pool-options.ts";
import { createLibrary } from "./registry/index.ts";
import { keptAnswersOf } from "./start-caches.ts";
import type { Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";
import { identityOptions, targetRules } from "./upstream-rules.ts";
import { createUpstreams, type UpstreamsOptions } from "./upstreams/index.ts";
import { NAME, VERSION } from "./version.ts";

export type UpstreamsInput = {
  readonly settings: Settings;
  readonly foundation: Foundation;
  readonly log: Log;
  readonly teardown: Teardown;
};

/** With the catalogue as it stands in the store now. */
export async function openUpstreams(
  { settings, foundation, log, teardown }: UpstreamsInput,
  store: Store,
  state: SharedState,
  caches: Caches,
  observe: Measures,
  outbound: Pick<UpstreamsOptions, "guard" | "tokens">,
  { pinning }: Pins,
) {
  const nextId = idSource();
  const upstreams = createUpstreams({
    state,
    log,
    metrics: observe.upstreams,
    now: () => performance.now(),
    connectTimeoutMs: settings.UPSTREAM_CONNECT_TIMEOUT * 1000,
    maxMessageBytes: settings.UPSTREAM_MAX_MESSAGE_BYTES,
    connectionsPerOrigin: settings.UPSTREAM_CONNECTIONS,
    connectionWaitMs: settings.UPSTREAM_POOL_TIMEOUT * 1000,
    keepAliveMs: settings.UPSTREAM_KEEP_ALIVE_TIMEOUT * 1000,
    ...sessionOptions(settings),
    stdioSocket: () => foundation.stdioSocket,
    clientName: NAME,
    clientVersion: VERSION,
    idSource: nextId,
    ...outbound,
    identity: identityOptions(settings, settings.JWT_ISSUER),
    answers: keptAnswersOf(settings, caches),
    builtin: createLibrary({ store, identity: { name: NAME, version: VERSION } }),
    rest: {
      tools: async (id) => (await store.restTools(id)).filter(({ removed }) => !removed),
      maxTextLength: settings.REST_RESPONSE_TEXT_MAX_LENGTH,
    },
  });
  teardown.add("upstreams", () => upstreams.close());
  const parts = {
    upstreams,
    log,
    identity: { name: NAME, title: "MCP gateway", version: VERSION },
    pinning,
    separator: settings.GATEWAY_TOOL_NAME_SEPARATOR,
    listTimeoutMs: settings.LIST_TIMEOUT * 1000,
    ...targetRules(settings),
    nextId,
    countPartial: observe.partial,
  };
  return { upstreams, federation: createFederation(parts, await store.loadSnapshot()) };
}

/** Ids that no other process of this deployment makes: 21 random bits above a counter, exact in a double. */
function idSource(): () => string {
  const base = randomBytes(3).readUIntBE(0, 3) % 2 ** 21;
  let count = 0;
  return () => {
    count = (count + 1) % 2 ** 32;
    return String(base * 2 ** 32 + count);
  };
}

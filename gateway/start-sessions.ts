/** Puts the sessions room together. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import { type SharedState, workerPresence } from "./coordination/index.ts";
import type { Federation } from "./federation/index.ts";
import type { measures } from "./measures.ts";
import { sealerOf } from "./sealers.ts";
import {
  type CallWatch,
  createConversations,
  createMailbox,
  createReplayRoom,
  createReplays,
  createSessionRoom,
  createSessionTokens,
  createTombstones,
  createWorkerPost,
  type Places,
} from "./sessions/index.ts";
import type { Secrets } from "./settings/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";
import { createTakeover } from "./transports/index.ts";

type SessionsInput = {
  readonly settings: Settings;
  readonly log: Log;
  readonly teardown: Teardown;
  readonly state: SharedState;
  readonly workerId: string;
  readonly secrets: Secrets;
  readonly federation: Federation;
  readonly observe: ReturnType<typeof measures>;
  readonly places: Places;
  readonly watch: CallWatch;
};

/** The sessions room: tokens, replay, the post between workers, conversations. */
export async function startSessions(input: SessionsInput) {
  const { settings, log, teardown, state, workerId, secrets, federation, observe, places, watch } = input;
  const presence = workerPresence(state, workerId, { log });
  await presence.start();
  teardown.add("presence", () => presence.close());
  const mailbox = createMailbox(state, workerId, { log, presence });
  await mailbox.start();
  teardown.add("mailbox", () => mailbox.close());
  const sealer = sealerOf(secrets.sessionKeys, "SESSION_KEYS");
  const takeover = createTakeover(state, workerId, log);
  const replays = createReplays({
    state,
    workerId,
    presence,
    log,
    cap: settings.REPLAY_MAX_EVENTS,
    ttlMs: settings.REPLAY_TTL * 1000,
  });
  teardown.add("replays", () => replays.close());
  const conversations = createConversations({
    federation,
    state,
    sealing: sealer,
    post: createWorkerPost(mailbox, presence),
    workerId,
    log,
    counters: observe.conversations,
    places,
    watch,
    now: Date.now,
    clientTimeoutMs: settings.CLIENT_REQUEST_TIMEOUT * 1000,
  });
  await conversations.start();
  teardown.add("conversations", () => conversations.close());
  const onEnded = (sessionId: string) => {
    takeover.letGo(sessionId);
    conversations.cancelSession(sessionId);
  };
  const tombstones = createTombstones(state, { log, onEnded });
  await tombstones.start();
  teardown.add("tombstones", () => tombstones.close());
  const room = createSessionRoom(createSessionTokens(sealer), tombstones, settings.SESSION_TTL * 1000, Date.now);
  return { conversations, room, replay: createReplayRoom(replays), takeover };
}

/** Which worker holds the one stream of a session: a newcomer says so on the session's channel, and whoever held it lets go. */
import type { SharedState } from "../coordination/index.ts";
import type { Log } from "../telemetry/index.ts";

export type Takeover = ReturnType<typeof createTakeover>;

function channelOf(sessionId: string): string {
  return `takeover:${sessionId}`;
}

export function createTakeover(state: SharedState, workerId: string, log: Log) {
  let isOver = false;
  const held = new Map<string, Set<() => void>>();

  function letGo(sessionId: string): void {
    const holders = held.get(sessionId);
    if (holders === undefined) return;
    held.delete(sessionId);
    for (const end of holders) end();
  }

  /** In one process the local memory is enough. */
  async function listen(sessionId: string): Promise<() => Promise<void>> {
    if (state.kind === "memory") return async () => undefined;
    return state.subscribe(channelOf(sessionId), (worker) => {
      if (worker !== workerId) letGo(sessionId);
    });
  }

  return {
    /** Ends every other stream of this session, here at once and elsewhere as soon as the message arrives. */
    async announce(sessionId: string): Promise<void> {
      letGo(sessionId);
      if (state.kind === "memory") return;
      try {
        await state.publish(channelOf(sessionId), workerId);
      } catch (error) {
        log.warn("other workers were not told of a new stream", { reason: String(error) });
      }
    },

    /** `end` is called when another stream of the session opens, at once where all streams have been ended; the answer forgets it. */
    hold(sessionId: string, end: () => void): () => void {
      if (isOver) {
        end();
        return () => undefined;
      }
      let holders = held.get(sessionId);
      if (holders === undefined) {
        holders = new Set();
        held.set(sessionId, holders);
      }
      holders.add(end);
      const listening = listen(sessionId);
      listening.catch((error: unknown) =>
        log.warn("a stream cannot be taken over from elsewhere", { reason: String(error) }),
      );
      return () => {
        holders.delete(end);
        if (holders.size === 0 && held.get(sessionId) === holders) held.delete(sessionId);
        listening.then((leave) => leave()).catch(() => undefined);
      };
    },

    /** Ends all streams of a session here: it was deleted. */
    letGo,
    /** Ends all streams here, and those that are just being opened: the gateway drains. */
    letGoAll(): void {
      isOver = true;
      for (const sessionId of [...held.keys()]) letGo(sessionId);
    },
  };
}

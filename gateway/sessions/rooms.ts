/** The pieces of this room put together the way transports use them: sessions, replay, the post between workers. */
import { fault } from "../../contract/errors.ts";
import type { WorkerPresence } from "../coordination/index.ts";
import { errorMessage } from "../mcp/index.ts";
import type { Mailbox } from "./mailbox.ts";
import type { ReplayStream, Replays, ResumedStream } from "./replay.ts";
import { belongsTo, newSessionId, type SessionTokens } from "./tokens.ts";
import type { Tombstones } from "./tombstones.ts";
import type { EventLog, ReplayRoom, ResumableStream, SessionRoom, WorkerPost } from "./types.ts";

/** `ttlMs`: how long a session token is good for. */
export function createSessionRoom(
  tokens: SessionTokens,
  tombstones: Tombstones,
  ttlMs: number,
  now: () => number,
): SessionRoom {
  return {
    ttlMs,
    mint(endpoint, principalId, protocolVersion, capabilities, clientInfo) {
      const facts = { id: newSessionId(), protocolVersion, capabilities, clientInfo };
      return { token: tokens.mint({ ...facts, endpoint, principalId, issuedAt: now() }), facts };
    },
    open(token, endpoint, principalId) {
      const session = tokens.open(token, { now: now(), ttlMs });
      return session !== undefined && belongsTo(session, endpoint, principalId) ? session : undefined;
    },
    ended: (sessionId) => tombstones.ended(sessionId),
    end: (sessionId) => tombstones.end(sessionId, ttlMs),
  };
}

/** Request ids longer than this are not repeated in event ids. */
const MAX_ANSWERED = 128;
/** A stream whose record is missing may be stored in a moment: looked for again this often, after these pauses. */
const LOOKS = 3;
const LOOK_MS = 300;

/**
 * An event id names its stream and place, and behind a dot the request that the stream answers: a worker may die before it
 * has stored anything, and whoever the client then asks still has to be able to say that this request is lost.
 */
function eventLog(stream: ReplayStream, requestId: string | undefined): EventLog {
  const answered =
    requestId === undefined || requestId.length > MAX_ANSWERED
      ? ""
      : `.${Buffer.from(requestId).toString("base64url")}`;
  return {
    announce: () => stream.announce() + answered,
    append: (raw) => stream.append(raw.toString("utf8")) + answered,
    finish: () => void stream.finish(),
  };
}

function splitEventId(text: string): { id: string; answered: string } {
  const dot = text.indexOf(".");
  return dot < 0 ? { id: text, answered: "" } : { id: text.slice(0, dot), answered: text.slice(dot) };
}

/** The raw request id behind the dot; undefined when it is none that a request can have. */
function requestIdOf(answered: string): string | undefined {
  const text = Buffer.from(answered.slice(1), "base64url").toString("utf8");
  return answered !== "" && text.length <= MAX_ANSWERED && /^(-?\d{1,15}|"(?:[^"\\\p{Cc}]|\\.)*")$/u.test(text)
    ? text
    : undefined;
}

export function createReplayRoom(replays: Replays): ReplayRoom {
  async function find(sessionId: string, id: string, looks: number): Promise<ResumedStream | undefined> {
    const resumed = await replays.resume(sessionId, id);
    if (resumed !== undefined || looks <= 1) return resumed;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS).unref());
    return find(sessionId, id, looks - 1);
  }

  return {
    open: (sessionId, requestId) =>
      eventLog(replays.open(requestId === undefined ? { sessionId } : { sessionId, requestId }), requestId),
    async resume(sessionId, lastEventId) {
      const { id, answered } = splitEventId(lastEventId);
      const requestId = requestIdOf(answered);
      const resumed = await find(sessionId, id, requestId === undefined ? 1 : LOOKS);
      if (resumed !== undefined) return resumable(resumed, answered);
      return requestId === undefined ? undefined : lostStream(lastEventId, requestId);
    },
  };
}

/** What is left of a stream that nobody has stored. */
function lostStream(lastEventId: string, requestId: string): ResumableStream {
  return {
    kind: "post",
    deliver(onEvent, onFinish) {
      onEvent(lastEventId, errorMessage(requestId, fault("MCPS_CALL_LOST")));
      onFinish();
      return () => undefined;
    },
  };
}

function resumable(resumed: ResumedStream, answered: string): ResumableStream {
  return {
    kind: resumed.requestId === undefined ? "get" : "post",
    deliver(tell, onFinish) {
      const onEvent = (id: string, raw: Buffer) => tell(id + answered, raw);
      for (const { id, message } of resumed.entries) onEvent(id, Buffer.from(message));
      if (resumed.finished) {
        onFinish();
        return () => undefined;
      }
      return followToEnd(resumed, onEvent, onFinish);
    },
  };
}

/** Follows; when the owner is lost, one of all followers writes the end that the client is owed. */
function followToEnd(
  resumed: ResumedStream,
  onEvent: (id: string, raw: Buffer) => void,
  onFinish: () => void,
): () => void {
  let stop: () => void = () => undefined;
  let stopped = false;
  const follow = () => {
    if (stopped) return;
    stop = resumed.follow({
      event: (id, message) => onEvent(id, Buffer.from(message)),
      end: (how) => {
        if (how === "ownerLost") takeOver().catch(onFinish);
        else onFinish();
      },
    });
  };
  const takeOver = async () => {
    const claimed = await resumed.claim();
    if (claimed !== undefined) {
      if (resumed.requestId !== undefined)
        await claimed.append(errorMessage(resumed.requestId, fault("MCPS_CALL_LOST")).toString());
      await claimed.finish();
    }
    // Winner or not: what was written is read from the stream, after all that came before it.
    follow();
  };
  follow();
  return () => {
    stopped = true;
    stop();
  };
}

/** Longer than the pause between two renewals of a lease. */
const SECOND_LOOK_MS = 3500;

export function createWorkerPost(mailbox: Mailbox, presence: WorkerPresence): WorkerPost {
  return {
    send: (workerId, kind, payload) => mailbox.send(workerId, kind, payload),
    handle: (kind, receive) =>
      mailbox.handle(kind, (payload) => {
        receive(payload);
        return "";
      }),
    // A store that has just come back is empty until the next renewal: only a second look proves death.
    async isAlive(workerId) {
      if (await presence.isAlive(workerId)) return true;
      await new Promise((resolve) => setTimeout(resolve, SECOND_LOOK_MS).unref());
      return presence.isAlive(workerId);
    },
  };
}

/**
 * Answers that upstreams allow to be kept (MCP 2026-07-28 caching): complete results of lists and of resources/read for their ttlMs, what is
 * private under its holder alone, until the upstream says that they changed. Identical lists that are asked for at one time are asked for once.
 */
import { asFault } from "../../contract/errors.ts";
import { type Cache, type Caches, privateKey } from "../cache/index.ts";
import { scanMessage } from "../mcp/index.ts";
import { type Asked, askedOf, READ } from "./asked.ts";
import { type Answer, answerMessage, decodeAnswer, encodeAnswer, readAnswer } from "./kept-answer.ts";
import type { Exchange, Holder, OutboundMessage, ReplySink, UpstreamTarget } from "./types.ts";

export type KeptAnswersOptions = {
  readonly caches: Caches;
  /** Longest lives by method, ms; 0 keeps nothing. */
  readonly listTtlMs: Readonly<Record<string, number>>;
  readonly readTtlMs: number;
  /** Entries and bytes of lists and of resources, each. */
  readonly maxPages: number;
  readonly maxResources: number;
  readonly maxBytes: number;
  /** Epoch milliseconds, the clock of the caches. */
  readonly now: () => number;
  /** The clock of all processes, where that is another one. */
  readonly wallClock?: () => number;
};

type Next = (sink: ReplySink) => Exchange;

/** What is known of keys is forgotten when it is about more than this many. */
const MAX_KNOWN = 10_000;

/** Notifications by what they say has changed. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  "notifications/tools/list_changed": ["tools/list"],
  "notifications/prompts/list_changed": ["prompts/list"],
  "notifications/resources/list_changed": ["resources/list", "resources/templates/list"],
  "notifications/resources/updated": [READ],
};

export class KeptAnswers {
  readonly #options: KeptAnswersOptions;
  readonly #lists: Cache<Answer>;
  readonly #reads: Cache<Answer>;
  /** Keys of lists and resources that were public when they were last asked for. */
  readonly #public = new Set<string>();
  /** Upstreams one of whose resources could be kept: those of others are not waited for. */
  readonly #readable = new Set<string>();
  /** Who asks the upstream when a load begins. */
  readonly #leaders = new Map<string, KeptExchange>();
  /** Groups that are being told to others, and whether they changed once more meanwhile. */
  readonly #telling = new Map<string, boolean>();

  constructor(options: KeptAnswersOptions) {
    this.#options = options;
    const { caches, listTtlMs, readTtlMs, maxPages, maxResources, maxBytes, now, wallClock = now } = options;
    const common = {
      groupOf: (key: string) => key.slice(0, key.indexOf("\n")),
      weight: { of: (answer: Answer) => answer.result.length, max: maxBytes },
      lifeOf: (answer: Answer) => Math.min(answer.freshUntil - now(), answer.keepMs),
      load: (key: string) => this.#lead(key),
      encode: (answer: Answer) => encodeAnswer(answer, wallClock() - now()),
      decode: (text: string) => decodeAnswer(text, wallClock() - now()),
    };
    // A list that is not kept is still asked for once for all who ask at one time.
    const listTtl = Math.max(...Object.values(listTtlMs));
    this.#lists = caches.create({ ...common, name: "lists", ttlMs: listTtl, maxEntries: maxPages });
    this.#reads = caches.create({ ...common, name: "resources", ttlMs: readTtlMs, maxEntries: maxResources });
  }

  /** The same as next(sink), from what is kept where that is possible. */
  request(target: UpstreamTarget, holder: Holder, message: OutboundMessage, sink: ReplySink, next: Next): Exchange {
    const asked = askedOf(target, message);
    if (asked === undefined || (asked.isRead && this.#ttlOf(asked) <= 0)) return next(sink);
    if (asked.isRead && !this.#readable.has(target.id)) return next(this.#learning(target, asked, sink));
    return new KeptExchange(this, asked, holder.key, sink, next).start();
  }

  /** Passes on what a subscription brings, and forgets what it says has changed. */
  hearing(target: UpstreamTarget, sink: ReplySink): ReplySink {
    return forwarding(sink, (raw, status, envelope) => {
      if (envelope.kind === "notification") this.#changed(target.id, envelope.method);
      sink.message(raw, status, envelope);
    });
  }

  /** The upstream is another one than before. */
  forget(targetId: string): void {
    for (const method of Object.keys(CHANGES)) this.#changed(targetId, method);
    this.#readable.delete(targetId);
  }

  /** At once, or when it has been asked for; undefined when everybody has to ask for himself. */
  find(asked: Asked, holderKey: string, exchange: KeptExchange): Answer | undefined | Promise<Answer | undefined> {
    const isPublic = !asked.isPersonal && this.#public.has(asked.key);
    const key = `${asked.group}\n${isPublic ? `*${asked.key}` : privateKey(holderKey, asked.key)}`;
    if (!this.#leaders.has(key)) this.#leaders.set(key, exchange);
    const found = (asked.isRead ? this.#reads : this.#lists).get(key);
    if (!(found instanceof Promise)) {
      this.#leaders.delete(key);
      return found;
    }
    return found.finally(() => {
      if (this.#leaders.get(key) === exchange) this.#leaders.delete(key);
    });
  }

  /** What of an answer may be kept or shared: undefined for what has to be asked for by each. `isPublicKey`: it was asked for under a key of all. */
  judge(asked: Asked, answer: Answer | undefined, isPublicKey: boolean): Answer | undefined {
    if (answer === undefined) return undefined;
    if (asked.era === "legacy") return answer;
    const wasPublic = !answer.isPrivate;
    if (wasPublic) remember(this.#public, asked.key);
    else this.#public.delete(asked.key);
    if (asked.isRead && answer.freshUntil <= this.#options.now()) return undefined;
    return isPublicKey && !wasPublic ? undefined : answer;
  }

  read(asked: Asked, raw: Buffer, envelope: Parameters<ReplySink["message"]>[2]): Answer | undefined {
    return readAnswer(raw, envelope, asked.era, this.#options.now(), this.#ttlOf(asked));
  }

  now(): number {
    return this.#options.now();
  }

  #lead(key: string): Promise<Answer | undefined> {
    const leader = this.#leaders.get(key);
    this.#leaders.delete(key);
    const isPublicKey = key[key.indexOf("\n") + 1] === "*";
    return leader === undefined ? Promise.resolve(undefined) : leader.lead(isPublicKey);
  }

  #ttlOf(asked: Asked): number {
    const { listTtlMs, readTtlMs, maxResources } = this.#options;
    if (asked.isRead) return maxResources < 1 ? 0 : readTtlMs;
    return listTtlMs[asked.method] ?? 0;
  }

  #learning(target: UpstreamTarget, asked: Asked, sink: ReplySink): ReplySink {
    return forwarding(sink, (raw, status, envelope) => {
      const answer = envelope.kind === "response" ? this.read(asked, raw, envelope) : undefined;
      if (answer !== undefined && answer.freshUntil > this.#options.now()) remember(this.#readable, target.id);
      sink.message(raw, status, envelope);
    });
  }

  #changed(targetId: string, method: string): void {
    for (const what of CHANGES[method] ?? [])
      this.#tell(what === READ ? this.#reads : this.#lists, `${targetId} ${what}`);
  }

  /** Every client that listens hears of one change: others are told once, and once more for what comes meanwhile. */
  #tell(cache: Cache<Answer>, group: string): void {
    if (this.#telling.has(group)) {
      this.#telling.set(group, true);
      cache.forgetGroupHere(group);
      return;
    }
    this.#telling.set(group, false);
    void cache.invalidateGroup(group).then(() => {
      const again = this.#telling.get(group);
      this.#telling.delete(group);
      if (again === true) this.#tell(cache, group);
    });
  }
}

/** One request that may be answered by what another one brings. */
class KeptExchange implements Exchange {
  readonly #answers: KeptAnswers;
  readonly #asked: Asked;
  readonly #holderKey: string;
  readonly #sink: ReplySink;
  readonly #next: Next;
  #own: Exchange | undefined;
  #isLeader = false;
  #isCancelled = false;
  #tries = 0;
  /** Of the leader: ends the waiting of the others. */
  #settle: ((answer: Answer | undefined) => void) | undefined;

  constructor(answers: KeptAnswers, asked: Asked, holderKey: string, sink: ReplySink, next: Next) {
    this.#answers = answers;
    this.#asked = asked;
    this.#holderKey = holderKey;
    this.#sink = sink;
    this.#next = next;
  }

  start(): this {
    this.#tries++;
    const found = this.#answers.find(this.#asked, this.#holderKey, this);
    if (found instanceof Promise)
      found.then(
        (answer) => this.#follow(answer),
        (error: unknown) => this.#fail(error),
      );
    // Nothing is called before the caller has this exchange.
    else queueMicrotask(() => this.#follow(found));
    return this;
  }

  /** Asks the upstream; resolves with what others may have of the answer, rejects with what they would get themselves. */
  lead(isPublicKey: boolean): Promise<Answer | undefined> {
    if (this.#isCancelled) return Promise.resolve(undefined);
    this.#isLeader = true;
    const { promise, resolve, reject } = Promise.withResolvers<Answer | undefined>();
    this.#settle = resolve;
    this.#own = this.#next({
      ...forwarding(this.#sink, (raw, status, envelope) => {
        if (envelope.kind === "response") {
          const answer = this.#answers.read(this.#asked, raw, envelope);
          resolve(this.#answers.judge(this.#asked, answer, isPublicKey));
        }
        this.#sink.message(raw, status, envelope);
      }),
      end: () => {
        resolve(undefined);
        this.#sink.end();
      },
      fail: (failure) => {
        reject(failure);
        this.#sink.fail(failure);
      },
    });
    return promise;
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#own?.cancel();
    this.#settle?.(undefined);
  }

  pause(): void {
    this.#own?.pause?.();
  }

  resume(): void {
    this.#own?.resume?.();
  }

  #follow(answer: Answer | undefined): void {
    if (this.#isCancelled || this.#isLeader) return;
    if (answer !== undefined) {
      const raw = answerMessage(answer, this.#asked.id, this.#answers.now());
      this.#sink.message(raw, 200, scanMessage(raw));
      this.#sink.end();
      return;
    }
    // It was nobody else's business, or whoever asked has gone: once more together, then alone.
    if (this.#tries < 2) this.start();
    else this.#own = this.#next(this.#sink);
  }

  #fail(error: unknown): void {
    if (this.#isCancelled || this.#isLeader) return;
    this.#sink.fail(asFault(error, ""));
  }
}

/** A sink that does the same but for messages. */
function forwarding(sink: ReplySink, message: ReplySink["message"]): ReplySink {
  return {
    streaming: () => sink.streaming?.(),
    interrupted: (retryMs) => sink.interrupted?.(retryMs),
    message,
    end: () => sink.end(),
    fail: (failure) => sink.fail(failure),
  };
}

function remember(known: Set<string>, key: string): void {
  if (known.size >= MAX_KNOWN) known.clear();
  known.add(key);
}

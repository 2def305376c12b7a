/** Can requests be served now? Part of the composition root. */
import { asFault } from "../contract/errors.ts";
import type { RestResponse } from "../contract/http.ts";

/**
 * Anybody may ask, as often as he likes, and what is asked are the connections that requests need. Probes come every few seconds: none
 * hears of a failure noticeably later.
 */
const KEPT_MS = 1000;

export type ReadinessParts = {
  /** What a request would need, by name; each rejects when it does not answer. */
  readonly needs: Readonly<Record<string, () => Promise<void>>>;
  readonly isDraining: () => boolean;
  /** Longest time of a check, ms: a probe that gave up before would never hear what did not answer. */
  readonly timeoutMs: number;
  /** Monotonic ms. */
  readonly now: () => number;
};

type Checks = Readonly<Record<string, string>>;

/**
 * 200, or 503 with what is missing; within `timeoutMs`, whatever the needs do. All who ask while a check runs, and for a second after it,
 * hear of the same one. Whether it drains is told as it is when the answer is given.
 */
export function createReadiness({ needs, isDraining, timeoutMs, now }: ReadinessParts): () => Promise<RestResponse> {
  let last: Promise<Checks> | undefined;
  let keptUntil = 0;

  function checks(): Promise<Checks> {
    if (last !== undefined && now() < keptUntil) return last;
    keptUntil = Number.POSITIVE_INFINITY;
    last = check(needs, timeoutMs).finally(() => {
      keptUntil = now() + KEPT_MS;
    });
    return last;
  }

  return async () => {
    const found = await checks();
    const told = isDraining() ? { ...found, drain: "shutting down" } : found;
    const ready = Object.values(told).every((value) => value === "ok");
    return { status: ready ? 200 : 503, body: { status: ready ? "ready" : "not ready", checks: told } };
  };
}

async function check(needs: ReadinessParts["needs"], timeoutMs: number): Promise<Checks> {
  const ask = async ([name, need]: readonly [string, () => Promise<void>]): Promise<readonly [string, string]> => {
    const answer = need().then(
      () => "ok",
      (error: unknown) => asFault(error, name).message,
    );
    return [name, await orLate(answer, timeoutMs)];
  };
  return Object.fromEntries(await Promise.all(Object.entries(needs).map(ask)));
}

function orLate(answer: Promise<string>, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(`no answer within ${timeoutMs} ms (READY_CHECK_TIMEOUT)`), timeoutMs);
    void answer.then((text) => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

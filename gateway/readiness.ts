/** Can requests be served now? Part of the composition root. */
import { asFault } from "../contract/errors.ts";
import type { RestResponse } from "../contract/http.ts";

export type ReadinessParts = {
  /** What a request would need, by name; each rejects when it does not answer. */
  readonly needs: Readonly<Record<string, () => Promise<void>>>;
  readonly isDraining: () => boolean;
  /** Longest time of a check, ms: a probe that gave up before would never hear what did not answer. */
  readonly timeoutMs: number;
};

/** 200, or 503 with what is missing; within `timeoutMs`, whatever the needs do. */
export async function readiness({ needs, isDraining, timeoutMs }: ReadinessParts): Promise<RestResponse> {
  const checks: Record<string, string> = {};
  const check = async ([name, ask]: readonly [string, () => Promise<void>]): Promise<void> => {
    const answer = ask().then(
      () => "ok",
      (error: unknown) => asFault(error, name).message,
    );
    checks[name] = await orLate(answer, timeoutMs);
  };
  await Promise.all(Object.entries(needs).map(check));
  if (isDraining()) checks.drain = "shutting down";
  const ready = Object.values(checks).every((value) => value === "ok");
  return { status: ready ? 200 : 503, body: { status: ready ? "ready" : "not ready", checks } };
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

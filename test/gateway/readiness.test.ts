import { describe, expect, it } from "vitest";
import { fault } from "../../contract/errors.ts";
import { createReadiness, type ReadinessParts } from "../../gateway/readiness.ts";

const fine = async () => undefined;
const never = () => new Promise<void>(() => undefined);

function readiness(parts: Partial<ReadinessParts>) {
  return createReadiness({ needs: {}, isDraining: () => false, timeoutMs: 1000, now: () => 0, ...parts });
}

const READY = { status: 200, body: { status: "ready", checks: { database: "ok" } } };

/** A need that is answered by the test, and how often it was asked. */
function counted() {
  const answers: PromiseWithResolvers<void>[] = [];
  const database = () => {
    const answer = Promise.withResolvers<void>();
    answers.push(answer);
    return answer.promise;
  };
  return { answers, needs: { database } };
}

describe("readiness", () => {
  it("is there when everything answers", async () => {
    expect(await readiness({ needs: { database: fine, state: fine } })()).toEqual({
      status: 200,
      body: { status: "ready", checks: { database: "ok", state: "ok" } },
    });
  });

  it("names what does not answer, in time", async () => {
    const broken = () => Promise.reject(fault("MCPS_STATE", { reason: "ECONNREFUSED" }));
    expect(await readiness({ needs: { database: never, state: broken }, timeoutMs: 20 })()).toEqual({
      status: 503,
      body: {
        status: "not ready",
        checks: {
          database: "no answer within 20 ms (READY_CHECK_TIMEOUT)",
          state: "The shared state store does not answer: ECONNREFUSED",
        },
      },
    });
  });

  it("asks once for all who come at the same time, and again only after a second", async () => {
    const { answers, needs } = counted();
    let now = 0;
    const ask = readiness({ needs, now: () => now });
    const asked = Array.from({ length: 100 }, ask);
    // However long it takes: nobody asks beside a check that runs.
    now = 5000;
    asked.push(ask());
    expect(answers).toHaveLength(1);
    answers[0]?.resolve();
    expect(await Promise.all(asked)).toEqual(asked.map(() => READY));
    now = 5999;
    expect(await ask()).toEqual(READY);
    expect(answers).toHaveLength(1);
    now = 6000;
    const later = ask();
    expect(answers).toHaveLength(2);
    answers[1]?.reject(fault("MCPS_STATE", { reason: "gone" }));
    expect((await later).status).toBe(503);
    expect((await ask()).status).toBe(503);
    expect(answers).toHaveLength(2);
  });

  it("is over once the gateway drains, whatever was found within the last second", async () => {
    const { answers, needs } = counted();
    let isDraining = false;
    const ask = readiness({ needs, isDraining: () => isDraining });
    const before = ask();
    answers[0]?.resolve();
    expect(await before).toEqual(READY);
    isDraining = true;
    expect(await ask()).toEqual({
      status: 503,
      body: { status: "not ready", checks: { database: "ok", drain: "shutting down" } },
    });
    expect(answers).toHaveLength(1);
  });
});

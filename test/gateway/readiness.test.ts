import { describe, expect, it } from "vitest";
import { fault } from "../../contract/errors.ts";
import { readiness } from "../../gateway/readiness.ts";

const fine = async () => undefined;
const never = () => new Promise<void>(() => undefined);

describe("readiness", () => {
  it("is there when everything answers", async () => {
    expect(
      await readiness({ needs: { database: fine, state: fine }, isDraining: () => false, timeoutMs: 1000 }),
    ).toEqual({
      status: 200,
      body: { status: "ready", checks: { database: "ok", state: "ok" } },
    });
  });

  it("names what does not answer, in time", async () => {
    const broken = () => Promise.reject(fault("MCPS_STATE", { reason: "ECONNREFUSED" }));
    expect(
      await readiness({ needs: { database: never, state: broken }, isDraining: () => false, timeoutMs: 20 }),
    ).toEqual({
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

  it("is over once the gateway drains", async () => {
    expect(await readiness({ needs: { database: fine }, isDraining: () => true, timeoutMs: 1000 })).toEqual({
      status: 503,
      body: { status: "not ready", checks: { database: "ok", drain: "shutting down" } },
    });
  });
});

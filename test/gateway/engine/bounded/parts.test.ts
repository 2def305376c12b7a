/** The parts of a bounded connection by themselves: what was received, bodies in pieces, deadlines, heads of answers. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Body } from "../../../../gateway/engine/body.ts";
import { answerHead } from "../../../../gateway/engine/bounded/answer-head.ts";
import { Intake } from "../../../../gateway/engine/bounded/intake.ts";
import { Deadlines, type Timed } from "../../../../gateway/engine/deadlines.ts";

const pieces = fc.array(fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)));

describe("what was received", () => {
  it("comes out as it went in, whatever is taken and skipped in between", () => {
    const step = fc.oneof(
      fc.record({ append: fc.uint8Array({ minLength: 1, maxLength: 40 }) }),
      fc.record({ take: fc.nat({ max: 30 }) }),
      fc.record({ skip: fc.nat({ max: 30 }) }),
    );
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const intake = new Intake();
        let rest = Buffer.alloc(0);
        for (const one of steps) {
          if ("append" in one) {
            intake.append(Buffer.from(one.append));
            rest = Buffer.concat([rest, one.append]);
          } else {
            const count = Math.min(intake.length, "take" in one ? one.take : one.skip);
            if ("take" in one) expect(intake.take(count)).toEqual(rest.subarray(0, count));
            else intake.skip(count);
            rest = rest.subarray(count);
          }
          expect([intake.length, intake.bytes.subarray(intake.at)]).toEqual([rest.length, rest]);
        }
      }),
    );
  });
});

describe("a body", () => {
  it("is the pieces put together", () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const whole = Buffer.concat(parts);
        const body = new Body(whole.length);
        for (const part of parts) body.append(part);
        expect([body.missing, body.whole()]).toEqual([0, whole]);
      }),
    );
  });

  it("takes room for what has come, not for what is announced", () => {
    const body = new Body(1024 ** 3);
    body.append(Buffer.alloc(100_000, 1));
    const whole = body.whole();
    expect([body.missing, whole.length, whole.buffer.byteLength]).toEqual([1024 ** 3 - 100_000, 100_000, 131_072]);
  });
});

describe("deadlines", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each(["new", "emptied"])("begin now where nothing was ticking (%s)", (how) => {
    const deadlines = new Deadlines([2000]);
    const other: Timed = { deadline: Number.POSITIVE_INFINITY, expire: () => undefined };
    if (how === "emptied") {
      deadlines.add(other);
      vi.advanceTimersByTime(500);
      deadlines.delete(other);
    }
    vi.advanceTimersByTime(60_000);
    let isExpired = false;
    const timed: Timed = {
      deadline: deadlines.after(2000),
      expire: () => {
        isExpired = true;
      },
    };
    deadlines.add(timed);
    vi.advanceTimersByTime(2000);
    expect(isExpired).toBe(false);
    vi.advanceTimersByTime(1001);
    expect(isExpired).toBe(true);
    deadlines.delete(timed);
  });

  it("are late by two ticks at most, and never early", () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 500 }), fc.nat({ max: 1000 }), (timeoutMs, waitMs) => {
        const deadlines = new Deadlines([timeoutMs]);
        const other: Timed = { deadline: Number.POSITIVE_INFINITY, expire: () => undefined };
        deadlines.add(other);
        vi.advanceTimersByTime(waitMs);
        const start = performance.now();
        let expired: number | undefined;
        const timed: Timed = {
          deadline: deadlines.after(timeoutMs),
          expire: () => {
            expired ??= performance.now() - start;
          },
        };
        deadlines.add(timed);
        vi.advanceTimersByTime(timeoutMs);
        expect(expired).toBeUndefined();
        vi.advanceTimersByTime(2 * Math.floor(timeoutMs / 4) + 1);
        expect(expired).toBeGreaterThan(timeoutMs);
        deadlines.delete(timed);
        deadlines.delete(other);
        expect(vi.getTimerCount()).toBe(0);
      }),
    );
  });
});

describe("the head of an answer", () => {
  const undated = (head: string | undefined) => head?.replace(/^Date: .*\r\n/m, "");

  it("says how the body is framed and whether the connection goes on, and nobody else does", () => {
    const headers = { "x-a": "b", connection: "keep-alive", "content-length": "9", "transfer-encoding": "gzip" };
    expect([answerHead(200, headers, 3, false), answerHead(299, headers, "chunked", true)].map(undated)).toEqual([
      "HTTP/1.1 200 OK\r\nx-a: b\r\nContent-Length: 3\r\n\r\n",
      "HTTP/1.1 299 Unknown\r\nx-a: b\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
    ]);
  });

  it("has the value that is meant, whatever was sent before", () => {
    const value = fc.string({ unit: fc.constantFrom("a", "b", " ", "\t", "\xe4", "\r", "\n", "\0", "€") });
    const name = fc.constantFrom("x-one", "x-two", "x three", "");
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), (fields) => {
        for (const [key, text] of fields) {
          const isAllowed = key.startsWith("x-") && /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
          const expected = isAllowed ? `HTTP/1.1 200 OK\r\n${key}: ${text}\r\n\r\n` : undefined;
          expect(undated(answerHead(200, { [key]: text }, "none", false))).toBe(expected);
        }
      }),
    );
  });

  it("remembers no more lines than there are names", () => {
    const heads = Array.from({ length: 1000 }, (_, count) => answerHead(200, { [`x-${count}`]: "a" }, "none", false));
    expect(heads.map(undated)).toEqual(heads.map((_, count) => `HTTP/1.1 200 OK\r\nx-${count}: a\r\n\r\n`));
  });
});

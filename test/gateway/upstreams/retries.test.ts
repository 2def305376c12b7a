/** What is sent again after a failure, when, and how often. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fault } from "../../../contract/errors.ts";
import { networkFault, statusFault } from "../../../gateway/upstreams/failures.ts";
import type { OutboundMessage, UpstreamsOptions } from "../../../gateway/upstreams/index.ts";
import { type Attempt, Retries } from "../../../gateway/upstreams/retries.ts";
import { closing } from "../../harness/closing.ts";
import { freePort } from "../../harness/index.ts";
import {
  counted,
  holder,
  legacyLife,
  message,
  resultOf,
  room,
  rpc,
  send,
  serve,
  type TestServer,
  target,
} from "./harness.ts";

const closers = closing();

const place = target("http://127.0.0.1:1/mcp");
const refused = networkFault(place, Object.assign(new Error("no"), { code: "ECONNREFUSED" }), false);
const OPTIONS = { attempts: 3, baseMs: 1000, maxMs: 60_000, jitter: 0, budget: 0.2 };
const attempt = (changes: Partial<Attempt> = {}): Attempt => ({
  upstreamId: "up-1",
  failure: refused,
  number: 1,
  unsent: true,
  repeatable: false,
  remainingMs: Infinity,
  ...changes,
});

describe("a retry", () => {
  it("comes later each time, and not after the last attempt", () => {
    const retries = new Retries({ ...OPTIONS, attempts: 9 });
    const delays = [1, 2, 3, 7, 8, 9].map((number) => retries.next(attempt({ number })));
    expect(delays).toEqual([1000, 2000, 4000, 60_000, 60_000, undefined]);
  });

  it("is put off by chance, by no more than the jitter", () => {
    const retries = new Retries({ ...OPTIONS, jitter: 0.5, random: () => 0.5 });
    expect(retries.next(attempt())).toBe(1250);
  });

  it("comes when the upstream wants it, and not at all when that is too late", () => {
    const retries = new Retries(OPTIONS);
    const busy = (after: string) => statusFault(place, "tools/list", 503, undefined, after);
    const next = (after: string) => retries.next(attempt({ failure: busy(after), repeatable: true, unsent: false }));
    expect([next("7"), next("0"), next("61"), next("soon")]).toEqual([7000, 1000, undefined, 1000]);
    expect(busy("7").headers).toEqual({ "retry-after": "7" });
    expect(retries.next(attempt({ remainingMs: 1000 }))).toBeUndefined();
  });

  it.each([
    ["nothing of it has left", { unsent: true }, 1000],
    ["it may have been carried out", { unsent: false }, undefined],
    ["it may be carried out twice", { unsent: false, repeatable: true }, 1000],
    ["it was refused for a moment", { unsent: false, repeatable: true, failure: statusFault(place, "x", 429) }, 1000],
    ["it was refused for good", { unsent: false, repeatable: true, failure: statusFault(place, "x", 403) }, undefined],
    [
      "its time ran out",
      { repeatable: true, failure: fault("MCPS_UPSTREAM_TIMEOUT", { upstream: "x", method: "x", ms: 1 }) },
      undefined,
    ],
  ] satisfies [string, Partial<Attempt>, number | undefined][])("when %s", (_, changes, expected) => {
    expect(new Retries(OPTIONS).next(attempt(changes))).toBe(expected);
  });

  it("is never more than its share of the requests, beyond the reserve", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 2000 }), (begins) => {
        const retries = new Retries(OPTIONS);
        let requests = 0;
        let repeated = 0;
        for (const begin of begins) {
          if (begin) {
            requests++;
            retries.began("up-1");
          } else if (retries.next(attempt()) !== undefined) repeated++;
        }
        expect(repeated).toBeLessThanOrEqual(10 + requests * 0.2);
      }),
    );
  });

  it("of one upstream takes nothing from another's share", () => {
    const retries = new Retries(OPTIONS);
    for (let n = 0; n < 12; n++) retries.next(attempt());
    expect([retries.next(attempt()), retries.next(attempt({ upstreamId: "up-2" }))]).toEqual([undefined, 1000]);
  });
});

const QUICK = { ...OPTIONS, baseMs: 1 };

function retrying(changes: Partial<UpstreamsOptions> = {}) {
  const metrics = counted();
  const made = room({ metrics, retries: QUICK, ...changes });
  closers.push(() => made.close());
  return { made, metrics };
}

const call = (id: number, repeatable: boolean): OutboundMessage => ({ ...message(id, "tools/call"), repeatable });

/** Answers a call with a status so often, then well. */
async function flaky(times: number, status = 503): Promise<TestServer> {
  let left = times;
  const server = await serve((seen, response) => {
    if (legacyLife(seen, response, "s")) return;
    if (left-- > 0) response.writeHead(status).end();
    else rpc(response, seen, "done");
  });
  closers.push(() => server.close());
  return server;
}

const calls = (server: TestServer) => server.seen.filter((seen) => seen.json?.method === "tools/call").length;

describe("a call", () => {
  it("of a tool that may be called twice survives an upstream that is away for a moment", async () => {
    const server = await flaky(2);
    const { made, metrics } = retrying();
    expect(resultOf(await send(made, target(server.url), holder(), call(1, true)))).toBe("done");
    expect(calls(server)).toBe(3);
    expect(metrics.events).toEqual(["sample opened", "sample retried", "sample retried", "sample ok"]);
  });

  it("of any other tool is made once", async () => {
    const server = await flaky(1);
    const { made } = retrying();
    const { fault: failure } = await send(made, target(server.url), holder(), call(1, false));
    expect([failure?.code, calls(server)]).toEqual(["MCPS_UPSTREAM_STATUS", 1]);
  });

  it("that has reached nobody is made once there is somebody", async () => {
    const port = await freePort();
    const { made, metrics } = retrying({ retries: { ...QUICK, attempts: 4, baseMs: 700 } });
    const to = target(`http://127.0.0.1:${port}/mcp`);
    const answer = send(made, to, holder(), call(1, false));
    const server = await serve((seen, response) => {
      if (!legacyLife(seen, response, "s")) rpc(response, seen, "done");
    }, port);
    closers.push(() => server.close());
    expect(resultOf(await answer)).toBe("done");
    expect([calls(server), metrics.events.at(0)]).toEqual([1, "sample retried"]);
  });

  it("that is cancelled while it waits for its next attempt is not made again", async () => {
    const server = await flaky(5);
    const { made, metrics } = retrying({ retries: { ...QUICK, baseMs: 30 } });
    const failed = Promise.withResolvers<void>();
    const told = { ...metrics, retried: () => failed.resolve() };
    const other = retrying({ metrics: told, retries: { ...QUICK, baseMs: 30 } }).made;
    const exchange = other.request(target(server.url), holder(), call(1, true), {
      message: () => expect.unreachable("nothing comes after a cancel"),
      end: () => expect.unreachable("nothing comes after a cancel"),
      fail: () => expect.unreachable("nothing comes after a cancel"),
    });
    await failed.promise;
    exchange.cancel();
    // Another one, whose own attempts outlast the pause of the first.
    await send(made, target(server.url), holder("s:2"), call(2, true));
    expect(calls(server)).toBe(4);
  });

  it("is not repeated beyond the budget of its upstream", async () => {
    const server = await flaky(1000);
    const { made } = retrying();
    for (let n = 0; n < 25; n++) await send(made, target(server.url), holder(), call(n, true));
    // Ten in reserve, and one for every five of the requests.
    expect(calls(server)).toBeGreaterThan(25 + 10);
    expect(calls(server)).toBeLessThanOrEqual(25 + 10 + 5);
  });
});

/** Upstreams that cannot be reached: when they are left alone, how they come back, and what callers are told meanwhile. */
import { createServer, type Server, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { fault } from "../../../contract/errors.ts";
import { Circuits } from "../../../gateway/upstreams/circuits.ts";
import type { Upstreams } from "../../../gateway/upstreams/index.ts";
import { closing } from "../../harness/closing.ts";
import { freePort, waitFor } from "../../harness/index.ts";
import { holder, legacyLife, message, methodsOf, resultOf, room, rpc, send, serve, target } from "./harness.ts";

const closers = closing();

const dead = () => fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: "sample", reason: "connection refused" });
const place = target("http://127.0.0.1:1/mcp");

function circuits(threshold = 3) {
  const clock = { now: 0 };
  const made = new Circuits({ threshold, resetMs: 60_000, now: () => clock.now });
  const told: string[] = [];
  made.onChange((id, _, state, hinted) => told.push(`${id} ${state}${hinted ? " hinted" : ""}`));
  return { made, clock, told };
}

function refusalOf(made: Circuits): unknown {
  try {
    return made.enter(place);
  } catch (error) {
    return error;
  }
}

describe("a circuit", () => {
  it("opens after so many failures in a row, and a success in between starts the count anew", () => {
    const { made, told } = circuits();
    made.settle(place, dead());
    made.settle(place, dead());
    made.settle(place);
    made.settle(place, dead());
    made.settle(place, dead());
    expect([made.enter(place), told]).toEqual([false, []]);
    made.settle(place, dead());
    expect(refusalOf(made)).toMatchObject({
      code: "MCPS_UPSTREAM_CIRCUIT",
      status: 503,
      message: "Upstream sample could not be reached 3 times in a row and is left alone for 60 s",
      headers: { "retry-after": "60" },
      data: { retryAfterSeconds: 60 },
    });
    expect(told).toEqual(["up-1 open"]);
  });

  it("lets one through when its time is over, and closes or opens by what becomes of that one", () => {
    const { made, clock, told } = circuits(1);
    made.settle(place, dead());
    clock.now = 59_999;
    expect(refusalOf(made)).toMatchObject({ headers: { "retry-after": "1" } });
    clock.now = 60_000;
    expect(made.enter(place)).toBe(true);
    expect(made.views()).toMatchObject([{ state: "half-open" }]);
    expect(refusalOf(made)).toMatchObject({ code: "MCPS_UPSTREAM_CIRCUIT" });
    made.settle(place, dead());
    expect(refusalOf(made)).toMatchObject({ headers: { "retry-after": "60" } });
    clock.now = 120_000;
    expect(made.enter(place)).toBe(true);
    made.settle(place);
    expect([made.enter(place), made.enter(place), made.views()]).toEqual([false, false, []]);
    expect(told).toEqual(["up-1 open", "up-1 open", "up-1 closed"]);
  });

  it("does not count one failure twice, what speaks against the caller, or another definition", () => {
    const { made } = circuits(2);
    const once = dead();
    for (const failure of [once, once]) made.settle(place, failure);
    expect(made.isOpen(place)).toBe(false);
    made.settle(place, fault("MCPS_UPSTREAM_STATUS", { upstream: "sample", method: "initialize", status: 401 }));
    for (const failure of [dead(), dead()]) made.settle(place, failure);
    expect([made.isOpen(place), made.isOpen({ ...place, revision: "r2" })]).toEqual([true, false]);
  });

  it("takes over what another worker saw, and tells nobody that it was its own", () => {
    const { made, told } = circuits();
    made.hint(place, "open");
    expect(refusalOf(made)).toMatchObject({ code: "MCPS_UPSTREAM_CIRCUIT" });
    made.hint(place, "open");
    made.hint(place, "closed");
    expect([made.enter(place), told]).toEqual([false, ["up-1 open hinted", "up-1 closed hinted"]]);
  });

  it("never opens with a threshold of 0", () => {
    const { made } = circuits(0);
    for (let count = 0; count < 100; count++) made.settle(place, dead());
    made.hint(place, "open");
    expect(made.enter(place)).toBe(false);
  });
});

/** Takes connections and never says a word. */
async function blackHole(port: number): Promise<{ server: Server; accepted: Socket[] }> {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { server, accepted };
}

function breaking(clock: { now: number }, threshold = 2): Upstreams {
  const made = room({ now: () => clock.now, circuits: { threshold, resetMs: 60_000 } });
  closers.push(() => made.close());
  return made;
}

const codesOf = async (made: Upstreams, url: string, count: number, changes = {}): Promise<(string | undefined)[]> => {
  const codes: (string | undefined)[] = [];
  for (let n = 0; n < count; n++) {
    const { fault: failure } = await send(made, target(url, changes), holder(), message(n, "tools/call"));
    codes.push(failure?.code);
  }
  return codes;
};

describe("an upstream", () => {
  it("that takes connections and is silent is asked no more, until it is another one", async () => {
    const clock = { now: 0 };
    const made = breaking(clock);
    const port = await freePort();
    const hole = await blackHole(port);
    const url = `http://127.0.0.1:${port}/mcp`;
    const short = { requestTimeoutMs: 50 };
    expect(await codesOf(made, url, 1, short)).toEqual(["MCPS_UPSTREAM_TIMEOUT"]);
    // A failed handshake is remembered for a second.
    clock.now += 1000;
    expect(await codesOf(made, url, 6, short)).toEqual([
      "MCPS_UPSTREAM_TIMEOUT",
      ...Array(5).fill("MCPS_UPSTREAM_CIRCUIT"),
    ]);
    expect(hole.accepted.length).toBe(2);
    clock.now += 1000;
    await expect(made.profile(target(url, short))).rejects.toMatchObject({ code: "MCPS_UPSTREAM_CIRCUIT" });
    for (const socket of hole.accepted) socket.destroy();
    await new Promise((resolve) => hole.server.close(resolve));

    clock.now += 60_000;
    const server = await createWorking(port);
    closers.push(() => server.close());
    const answers = await Promise.all(
      [1, 2, 3].map((id) => send(made, target(url), holder(), message(id, "tools/call"))),
    );
    // One of them went ahead; the others were told to come back.
    expect(answers.map((answer) => answer.fault?.code)).toEqual([
      undefined,
      "MCPS_UPSTREAM_CIRCUIT",
      "MCPS_UPSTREAM_CIRCUIT",
    ]);
    expect(resultOf(await send(made, target(url), holder(), message(4, "tools/call")))).toBe("done");
    expect(made.circuits()).toEqual([]);
  });

  it("that dies while its session is open fails fast, and comes back with the first that reaches it", async () => {
    const clock = { now: 0 };
    const made = breaking(clock);
    const port = await freePort();
    const first = await createWorking(port);
    const url = `http://127.0.0.1:${port}/mcp`;
    expect(resultOf(await send(made, target(url), holder(), message(1, "tools/call")))).toBe("done");
    await first.close();
    // The first of them may still have found the old connection, which does not count: it was open.
    const codes = await codesOf(made, url, 4);
    expect([codes[0], codes[1], codes[3]]).toEqual([
      "MCPS_UPSTREAM_UNREACHABLE",
      "MCPS_UPSTREAM_UNREACHABLE",
      "MCPS_UPSTREAM_CIRCUIT",
    ]);
    clock.now += 60_000;
    expect(await codesOf(made, url, 2)).toEqual(["MCPS_UPSTREAM_UNREACHABLE", "MCPS_UPSTREAM_CIRCUIT"]);
    const second = await createWorking(port);
    closers.push(() => second.close());
    clock.now += 60_000;
    expect(resultOf(await send(made, target(url), holder(), message(2, "tools/call")))).toBe("done");
    // The probe left nothing behind: what it opened it has ended.
    const opened = methodsOf(second).filter((method) => method === "initialize").length;
    expect([opened, methodsOf(second).filter((method) => method === "DELETE").length]).toEqual([1, 1]);
  });

  it("that is back before its time is over is found by the worker that left it alone", async () => {
    const made = room({ circuits: { threshold: 1, resetMs: 3_600_000 }, recovers: true });
    closers.push(() => made.close());
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/mcp`;
    expect(await codesOf(made, url, 1)).toEqual(["MCPS_UPSTREAM_UNREACHABLE"]);
    expect(made.circuits()).toMatchObject([{ state: "open" }]);
    const server = await createWorking(port);
    closers.push(() => server.close());
    await waitFor(async () => made.circuits().length === 0);
    expect(resultOf(await send(made, target(url), holder(), message(2, "tools/call")))).toBe("done");
  });

  it("that is only slow, or answers with errors, is asked on", async () => {
    const server = await serve((seen, response) => {
      if (!legacyLife(seen, response, "s")) response.writeHead(500).end();
    });
    closers.push(() => server.close());
    const made = breaking({ now: 0 });
    expect(await codesOf(made, server.url, 6)).toEqual(Array(6).fill("MCPS_UPSTREAM_STATUS"));
  });
});

async function createWorking(port: number) {
  return serve((seen, response) => {
    if (!legacyLife(seen, response, "s")) rpc(response, seen, "done");
  }, port);
}

/** What workers tell each other of upstreams, and the clean-up that one of them does. */
import { describe, expect, it } from "vitest";
import { startSessionCleanUp } from "../../gateway/clean-sessions.ts";
import { memoryState } from "../../gateway/coordination/index.ts";
import { shareCircuits } from "../../gateway/share-circuits.ts";
import type { Upstreams } from "../../gateway/upstreams/index.ts";
import { closing } from "../harness/closing.ts";
import { freePort, waitFor } from "../harness/index.ts";
import {
  holder,
  legacyLife,
  message,
  quietLog,
  resultOf,
  room,
  rpc,
  send,
  serve,
  target,
} from "./upstreams/harness.ts";

const closers = closing();

const codeOf = async (upstreams: Upstreams, url: string) =>
  (await send(upstreams, target(url), holder(), message(1, "tools/call"))).fault?.code;

describe("workers", () => {
  it("leave an upstream alone that one of them could not reach, and go back to it with that one", async () => {
    const state = memoryState();
    const clock = { now: 0 };
    const url = `http://127.0.0.1:${await freePort()}/mcp`;
    const workers = [0, 1].map(() => room({ now: () => clock.now, circuits: { threshold: 2, resetMs: 60_000 } }));
    for (const upstreams of workers) {
      const share = await shareCircuits(state, upstreams, () => target(url), quietLog);
      closers.push(
        () => share.close(),
        () => upstreams.close(),
      );
    }
    const [one, two] = workers;
    if (one === undefined || two === undefined) throw new Error("two were made");
    for (let n = 0; n < 2; n++) {
      expect(await codeOf(one, url)).toBe("MCPS_UPSTREAM_UNREACHABLE");
      clock.now += 1000;
    }
    await waitFor(async () => two.circuits().length === 1);
    expect(await codeOf(two, url)).toBe("MCPS_UPSTREAM_CIRCUIT");
    const server = await serve(
      (seen, response) => {
        if (!legacyLife(seen, response, "s")) rpc(response, seen, "done");
      },
      Number(new URL(url).port),
    );
    closers.push(() => server.close());
    clock.now += 60_000;
    expect(resultOf(await send(one, target(url), holder(), message(1, "tools/call")))).toBe("done");
    await waitFor(async () => two.circuits().length === 0);
    expect(resultOf(await send(two, target(url), holder(), message(1, "tools/call")))).toBe("done");
  });

  it("take no hint about another definition, nor nonsense", async () => {
    const state = memoryState();
    const upstreams = room({ circuits: { threshold: 2, resetMs: 60_000 } });
    const share = await shareCircuits(
      state,
      upstreams,
      (id) => (id === "up-1" ? target("http://x/") : undefined),
      quietLog,
    );
    closers.push(
      () => share.close(),
      () => upstreams.close(),
    );
    const hint = (value: unknown) => state.publish("upstream:circuits", JSON.stringify(value));
    await hint({ id: "up-1", revision: "old", circuit: "open" });
    await hint({ id: "other", revision: "r1", circuit: "open" });
    await hint({ id: "up-1", revision: "r1", circuit: "ajar" });
    await hint(null);
    await hint({ id: "up-1", revision: "r1", circuit: "open" });
    await waitFor(async () => upstreams.circuits().length > 0);
    expect(upstreams.circuits()).toMatchObject([{ id: "up-1", state: "open" }]);
  });
});

describe("the clean-up of sessions", () => {
  it("is done by one worker at a time, with what it is told", async () => {
    const state = memoryState();
    const ran: string[] = [];
    const worker = (name: string) => {
      const upstreams = {
        async endExpired({ concurrency }: { concurrency: number }) {
          ran.push(`${name} ${concurrency}`);
          return 1;
        },
      } as unknown as Upstreams;
      const election = { workerId: name, ttlMs: 10_000, heartbeatMs: 5 };
      const rest = { intervalMs: 5, concurrency: 20, target: () => undefined, log: quietLog };
      return startSessionCleanUp(state, upstreams, { election, ...rest });
    };
    const first = worker("a");
    await waitFor(async () => ran.length > 1);
    const second = worker("b");
    closers.push(() => second.close());
    const before = ran.length;
    await waitFor(async () => ran.length > before + 2);
    expect(new Set(ran)).toEqual(new Set(["a 20"]));
    await first.close();
    await waitFor(async () => ran.includes("b 20"));
  });
});

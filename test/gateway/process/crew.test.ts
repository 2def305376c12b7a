/** A crew and its workers, as processes and as threads: what it does when they fail, stand still or are spent. */
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Crew, type CrewOptions, forking, spawning } from "../../../gateway/process/index.ts";
import { renderFigures } from "../../../gateway/telemetry/index.ts";
import { compiled } from "../../harness/index.ts";
import { type LogLine, rememberingLog } from "../upstreams/fixtures/stdio-client.ts";
import type { Behaviour } from "./fixtures/worker.ts";

const ENTRY = new URL("./fixtures/worker.ts", import.meta.url);
const HEAP_MIB = 64;
const PATIENCE = { timeout: 60_000, interval: 10 };

const KINDS = [
  ["processes", forking(() => ({ entry: fileURLToPath(ENTRY), heapMiB: HEAP_MIB, env: compiled() }))],
  ["threads", spawning(() => ({ entry: ENTRY, heapMiB: HEAP_MIB }))],
] as const;

describe.each(KINDS)("a crew of %s", (_, hire) => {
  const crews: Crew[] = [];
  let lines: LogLine[] = [];
  let ready: unknown[] = [];
  let led: unknown[] = [];
  let counted: string[] = [];

  afterEach(async () => {
    for (const crew of crews.splice(0)) {
      crew.kill();
      await vi.waitFor(() => expect(crew.size).toBe(0), PATIENCE);
    }
  });

  /** The n-th worker behaves as the n-th entry says, and all later ones as the last. */
  function crewOf(behaviours: readonly Omit<Behaviour, "id">[], more: Partial<CrewOptions> = {}): Crew {
    [lines, ready, led, counted] = [[], [], [], []];
    let hired = 0;
    const crew = new Crew({
      size: 1,
      hire,
      next: () => {
        const id = `w${++hired}`;
        return { id, config: { ...(behaviours[hired - 1] ?? behaviours.at(-1)), id } };
      },
      startTimeoutMs: 60_000,
      beatTimeoutMs: 0,
      graceMs: 60_000,
      respawns: true,
      restart: { minMs: 1, maxMs: 60_000 },
      firstAlone: false,
      log: rememberingLog(lines),
      count: {
        respawn: (reason) => void counted.push(`respawn ${reason}`),
        recycle: (reason) => void counted.push(`recycle ${reason}`),
        missed: () => void counted.push("missed"),
      },
      onReady: ({ id }) => void ready.push(id),
      onLed: (fields) => void led.push(fields),
      scrape: async () => "figures of all",
      ...more,
    });
    crews.push(crew);
    return crew;
  }
  const events = () => lines.map(({ event }) => event);
  const until = (check: () => void) => vi.waitFor(check, PATIENCE);
  const errors = async (crew: Crew) =>
    renderFigures(await crew.figures(60_000))
      .split("\n")
      .filter((line) => line.startsWith("mcp_errors_total"));

  it("starts all, lets one lead, and ends them in good order", async () => {
    const crew = crewOf([{}], { size: 2 });
    await crew.start();
    expect(ready.toSorted()).toEqual(["w1", "w2"]);
    crew.lead();
    await until(() => expect(led).toEqual([{ leader: "w1", scraped: "figures of all" }]));
    await crew.leave("drain");
    expect([crew.size, counted, events()]).toEqual([0, [], ["worker.ready", "worker.ready"]]);
  });

  it("does not start when a worker cannot, with the worker's own reason", async () => {
    await expect(crewOf([{ mode: "fail" }]).start()).rejects.toMatchObject({ reason: "no room for this worker" });
    await expect(crewOf([{ mode: "exit" }]).start()).rejects.toMatchObject({ reason: "exit code 7" });
    const late = crewOf([{ mode: "hang" }], { startTimeoutMs: 300 }).start();
    await expect(late).rejects.toMatchObject({ reason: "not ready within 300 ms" });
  });

  it("replaces a worker whose event loop stands still, and lets another lead", async () => {
    const crew = crewOf([{ mode: "block" }, {}], { beatTimeoutMs: 2_000 });
    await crew.start();
    crew.lead();
    await until(() => expect(ready).toEqual(["w1", "w2"]));
    const stuck = lines.find(({ event }) => event === "worker.stuck");
    expect(stuck?.fields).toMatchObject({ worker: "w1", reason: "its event loop has not turned for 2000 ms" });
    expect(counted).toEqual(["respawn stuck"]);
    await until(() => expect(led.at(-1)).toEqual({ leader: "w2", scraped: "figures of all" }));
  });

  it("replaces a worker that cannot lead, and asks the next one", async () => {
    const crew = crewOf([{ mode: "refuse" }, {}]);
    await crew.start();
    crew.lead();
    await until(() => expect(led).toEqual([{ leader: "w2", scraped: "figures of all" }]));
    expect(lines.find(({ event }) => event === "worker.ended")?.fields).toMatchObject({ reason: "it will not lead" });
  });

  it("names a full heap as the end of a worker", async () => {
    const crew = crewOf([{ mode: "eat" }, {}]);
    await crew.start();
    crew.lead();
    await until(() => expect(ready).toEqual(["w1", "w2"]));
    expect(counted).toEqual(["respawn memory"]);
    expect(lines.find(({ event }) => event === "worker.ended")?.fields).toMatchObject({
      worker: "w1",
      reason: expect.stringContaining("its heap is full"),
    });
  });

  it("gives up when one ends again and again, with the reason of the last end", async () => {
    const crew = crewOf([{ mode: "quit" }, { mode: "exit" }, { mode: "exit" }, { mode: "exit" }, { mode: "fail" }]);
    await crew.start();
    crew.lead();
    expect((await crew.failed).reason).toBe("no room for this worker");
    expect(counted).toEqual(["respawn crash", "respawn start", "respawn start", "respawn start"]);
  });

  it("gives up at the first end where nothing is to be respawned", async () => {
    const crew = crewOf([{ mode: "eat" }], { respawns: false });
    await crew.start();
    crew.lead();
    expect((await crew.failed).reason).toContain("its heap is full");
    expect(counted).toEqual([]);
  });

  it("starts the successor of a spent worker before that retires, and forgets none of its counts", async () => {
    const crew = crewOf([{ count: 2, spent: "requests" }, { count: 3 }]);
    await crew.start();
    await until(() => expect(crew.size === 1 && ready.length === 2).toBe(true));
    expect(counted).toEqual(["recycle requests"]);
    expect(events()).toEqual(["worker.ready", "worker.ready", "worker.replaced"]);
    expect(await errors(crew)).toEqual(['mcp_errors_total{code="A"} 5']);
    expect(renderFigures(await crew.figures(60_000))).toContain("\nmcp_workers 1\n");
  });

  it("lets a worker without memory go before its successor starts, and forgets none of its counts", async () => {
    const sizes: number[] = [];
    const crew = crewOf([{ count: 1 }, { count: 2, spent: "memory" }, { count: 4 }], {
      size: 2,
      firstAlone: true,
      onReady: ({ id }) => void sizes.push(ready.push(id), crew.size),
    });
    await crew.start();
    await until(() => expect(ready).toEqual(["w1", "w2", "w3"]));
    // The third is never beside both of the others.
    expect(sizes).toEqual([1, 1, 2, 2, 3, 2]);
    expect(counted).toEqual(["recycle memory"]);
    expect(lines.map(({ event, fields }) => [event, fields?.worker])).toEqual([
      ["worker.ready", "w1"],
      ["worker.ready", "w2"],
      ["worker.retiring", "w2"],
      ["worker.replaced", "w2"],
      ["worker.ready", "w3"],
    ]);
    expect(await errors(crew)).toEqual(['mcp_errors_total{code="A"} 7']);
  });

  it("restarts the successor of a worker without memory until it serves", async () => {
    const crew = crewOf([{}, { spent: "memory" }, { mode: "fail" }, {}], { size: 2, firstAlone: true });
    await crew.start();
    await until(() => expect(ready).toEqual(["w1", "w2", "w4"]));
    expect([crew.size, counted]).toEqual([2, ["recycle memory", "respawn start"]]);
  });

  it("starts the successor first where nobody else would listen meanwhile", async () => {
    const crew = crewOf([{ spent: "memory" }, {}]);
    await crew.start();
    await until(() => expect(crew.size === 1 && ready.length === 2).toBe(true));
    expect([counted, events()]).toEqual([["recycle memory"], ["worker.ready", "worker.ready", "worker.replaced"]]);
  });

  it("replaces all one by one on reload, and stops at a worker that does not start", async () => {
    const crew = crewOf([{ count: 1 }], { size: 2 });
    await crew.start();
    expect(await crew.reload()).toBe(true);
    expect([crew.size, counted]).toEqual([2, ["recycle reload", "recycle reload"]]);
    expect(await errors(crew)).toEqual(['mcp_errors_total{code="A"} 4']);

    const broken = crewOf([{ count: 1 }, { count: 1 }, { mode: "fail" }], { size: 2 });
    await broken.start();
    expect(await broken.reload()).toBe(false);
    expect([broken.size, counted]).toEqual([2, []]);
    expect(await errors(broken)).toEqual(['mcp_errors_total{code="A"} 2']);
  });

  it("starts others as a reload wants them once its first one serves, and as before when that cannot", async () => {
    let hired = 0;
    let kept: Behaviour = { id: "old" };
    const wanted: Behaviour[] = [{ id: "broken", mode: "fail" }, { id: "new" }];
    let tried = kept;
    const crew = crewOf([], {
      next: (isReload) => ({ id: `w${++hired}`, config: isReload ? tried : kept }),
    });
    await crew.start();
    const answers: boolean[] = [];
    for (const next of wanted) {
      tried = next;
      answers.push(
        await crew.reload(() => {
          kept = next;
        }),
      );
    }
    expect([answers, kept.id, ready]).toEqual([[false, true], "new", ["old", "new"]]);
  });

  it("kills a worker that does not retire within its grace and a little more", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const crew = crewOf([{ isStubborn: true }, {}]);
      await crew.start();
      const reloaded = crew.reload();
      await vi.waitFor(() => expect(events()).toContain("worker.replaced"), PATIENCE);
      await vi.advanceTimersByTimeAsync(65_000);
      expect(await reloaded).toBe(true);
      expect(crew.size).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it("counts a worker that does not answer a scrape with what it told before", async () => {
    const crew = crewOf([{ count: 2, mode: "block" }, { count: 3 }], { size: 2 });
    await crew.start();
    expect(await errors(crew)).toEqual(['mcp_errors_total{code="A"} 5']);
    crew.lead();
    const figures = renderFigures(await crew.figures(300));
    expect(figures).toContain('mcp_errors_total{code="A"} 5\n');
    expect(figures).toContain("\nmcp_workers 1\n");
    expect(counted).toEqual(["missed"]);
  });
});

/** What the command line asks of the target, with shell scripts as daemons: up here, up in the background, changes from elsewhere, ends. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { controlPath } from "../../../../infra/targets/local/control.ts";
import {
  applyTo,
  type Launch,
  prepare,
  type Running,
  readState,
  runDetached,
  runHere,
  runSchedule,
  statusOf,
  stopStack,
} from "../../../../infra/targets/local/index.ts";
import { makeDataDirectory } from "../../../../infra/targets/local/layout.ts";
import type { Workload } from "../../../../infra/topology/index.ts";
import { descendants, isRunning, temporaryDirectory, waitFor } from "../../../harness/index.ts";
import { job, SERVE, service, topology } from "./workloads.ts";

let data: string;
let remove: () => Promise<void>;
let said: string[];
const never = new Promise<void>(() => {});
const say = (sentence: string) => void said.push(sentence);

beforeEach(async () => {
  const directory = await temporaryDirectory();
  data = join(directory.path, "data");
  remove = directory.remove;
  said = [];
  makeDataDirectory(data);
});
afterEach(async () => {
  await stopStack(data, say);
  await remove();
});

function launch(...workloads: readonly Workload[]): Launch {
  return { data, host: "127.0.0.1", topology: topology(...workloads), secrets: {}, users: {} };
}

function here(wanted: Launch, asked = never): Promise<Running> {
  return runHere(wanted, say, undefined, asked);
}

const leaders = () => (readState(data)?.workloads ?? []).flatMap(({ identity }) => identity?.pid ?? []);

describe("in the foreground", () => {
  it("what does not start leaves nothing behind", async () => {
    const broken = job(data, "broken", "echo why; exit 2", { after: ["one"] });
    let pids: readonly number[] = [];
    const failing = here(launch(service(data, "one", SERVE), broken)).catch((error: Error) => error.message);
    await waitFor(() => leaders().length > 0);
    pids = leaders();
    expect(await failing).toBe("broken: ended with exit code 2; it printed last:\n  why");
    expect({ alive: pids.filter(isRunning), left: leaders(), control: existsSync(controlPath(data)) }).toEqual({
      alive: [],
      left: [],
      control: false,
    });
  });

  it("an end that is asked for during the start is an end", async () => {
    const asked = Promise.withResolvers<void>();
    const slow = job(data, "slow", 'echo $$ > "$1/data/pid"; sleep 300');
    const starting = here(launch(slow), asked.promise).catch((error: Error) => error.message);
    const pid = await waitFor(() => Number(readFileSync(join(data, "slow/data/pid"), "utf8")));
    asked.resolve();
    expect(await starting).toBe("slow was stopped before it was ready");
    expect(isRunning(pid)).toBe(false);
  });

  it("hands over what its processes print, by their names", async () => {
    const lines: string[] = [];
    const running = await runHere(
      launch(service(data, "one", SERVE)),
      say,
      (name, line) => lines.push(`${name} | ${line}`),
      never,
    );
    await waitFor(() => lines.includes("one | hello"));
    await running.stop();
    expect(lines).toEqual(["one | hello", "one | bye"]);
  });

  it("a directory has one supervisor", async () => {
    const running = await here(launch(service(data, "one", SERVE)));
    await expect(here(launch(service(data, "two", SERVE)))).rejects.toThrow(
      `${controlPath(data)} is served already: another stack runs in this directory`,
    );
    expect(running.state().workloads.map(({ name, state }) => [name, state])).toEqual([["one", "ready"]]);
    await running.stop();
  });

  it("is spoken to by its user alone", async () => {
    const running = await here(launch(service(data, "one", SERVE)));
    expect([controlPath(data), join(data, "state.json")].map((path) => statSync(path).mode & 0o777)).toEqual([
      0o600, 0o600,
    ]);
    await running.stop();
  });
});

describe("from elsewhere", () => {
  it("is looked at, changed and ended; whoever waits is told what happens", async () => {
    expect(await statusOf(data)).toBeUndefined();
    const running = await here(launch(service(data, "one", SERVE)));
    expect((await statusOf(data))?.isSupervised).toBe(true);
    const told: string[] = [];
    const changed = launch(service(data, "one", `true; ${SERVE}`), service(data, "two", SERVE));
    const state = await applyTo(changed, (sentence) => told.push(sentence));
    expect(state.workloads.map(({ name, state: now }) => [name, now])).toEqual([
      ["one", "ready"],
      ["two", "ready"],
    ]);
    expect(told).toContain("one: ready");
    expect(await stopStack(data, say)).toEqual(["one", "two"]);
    await running.ended;
    expect(await statusOf(data)).toBeUndefined();
  });

  it("a change that fails is told in the words of what failed", async () => {
    await here(launch(service(data, "one", SERVE)));
    const broken = launch(service(data, "one", SERVE), job(data, "broken", "echo why; exit 2"));
    await expect(applyTo(broken, say)).rejects.toThrow("broken: ended with exit code 2; it printed last:\n  why");
    expect((await statusOf(data))?.state.workloads.map(({ name, state }) => [name, state])).toEqual([
      ["one", "ready"],
      ["broken", "failed"],
    ]);
  });

  it("a schedule needs a stack that runs", async () => {
    await expect(runSchedule(data, "backup", say)).rejects.toThrow("the stack does not run: mcp-stack up starts it");
  });
});

describe("in the background", () => {
  it("outlives whoever has started it, and its end is told by its file", async () => {
    const state = await runDetached(launch(service(data, "one", SERVE)), say);
    expect(state.workloads.map(({ name, state: now }) => [name, now])).toEqual([["one", "ready"]]);
    expect(state.supervisor.pid).not.toBe(process.pid);
    expect(said.map((line) => line.replace(/[\d.]+ s/, "… s"))).toEqual(["one: ready after … s"]);
    const all = [state.supervisor.pid, ...descendants(state.supervisor.pid)];
    expect(await stopStack(data, say)).toEqual(["one"]);
    await waitFor(() => all.every((pid) => !isRunning(pid)));
  });

  it("a start that fails is told here, and leaves no supervisor", async () => {
    await expect(runDetached(launch(job(data, "broken", "echo why; exit 2")), say)).rejects.toThrow(
      "broken: ended with exit code 2; it printed last:\n  why",
    );
    await waitFor(() => !isRunning(readState(data)?.supervisor.pid ?? 0));
  });

  it("a supervisor that was killed is no reason to start beside what it has left", async () => {
    const { supervisor } = await runDetached(launch(service(data, "one", SERVE)), say);
    const [one = 0] = leaders();
    process.kill(supervisor.pid, "SIGKILL");
    await waitFor(() => !isRunning(supervisor.pid));
    expect(isRunning(one)).toBe(true);
    expect(await statusOf(data)).toMatchObject({ isSupervised: false });
    const again = launch(service(data, "one", SERVE));
    expect(await prepare(data, again.topology, "127.0.0.1")).toEqual(["one"]);
    expect(isRunning(one)).toBe(false);
    const running = await here(again);
    await running.stop();
  });

  it("a number that is somebody else's by now is left alone", async () => {
    const { supervisor, workloads, ...rest } = await runDetached(launch(service(data, "one", SERVE)), say);
    await stopStack(data, say);
    const stranger = { pid: process.pid, startTicks: 1 };
    const forged = { ...rest, supervisor, workloads: workloads.map((one) => ({ ...one, identity: stranger })) };
    writeFileSync(join(data, "state.json"), JSON.stringify(forged));
    expect(await statusOf(data)).toBeUndefined();
    expect(await stopStack(data, say)).toEqual([]);
    writeFileSync(join(data, "state.json"), JSON.stringify({ ...forged, boot: "another" }));
    expect(readState(data)).toBeUndefined();
  });
});

it("a path that no socket can have is refused by the option that changes it", () => {
  const deep = join(data, "d".repeat(100));
  mkdirSync(deep);
  expect(() => controlPath(deep)).toThrow("choose a shorter --data-dir");
});

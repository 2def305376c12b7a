/** The supervisor with shell scripts as daemons: order, readiness, failures, changes, ends. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeDataDirectory } from "../../../../infra/targets/local/layout.ts";
import { readState } from "../../../../infra/targets/local/state.ts";
import { Supervisor } from "../../../../infra/targets/local/supervisor.ts";
import type { Topology } from "../../../../infra/topology/index.ts";
import { descendants, isRunning, temporaryDirectory, waitFor } from "../../../harness/index.ts";
import { fileProbe, job, SERVE, service, topology } from "./workloads.ts";

let data: string;
let remove: () => Promise<void>;
let supervisor: Supervisor;
let said: string[];

beforeEach(async () => {
  const directory = await temporaryDirectory();
  data = directory.path;
  remove = directory.remove;
  makeDataDirectory(data);
  said = [];
  supervisor = new Supervisor({
    data,
    host: "127.0.0.1",
    pause: { minMs: 1, maxMs: 20 },
    say: (sentence) => said.push(sentence),
  });
});
afterEach(async () => {
  await supervisor.stop();
  await remove();
});

function apply(wanted: Topology): Promise<void> {
  return supervisor.apply({ topology: wanted, secrets: {}, users: {} });
}

function statusOf(name: string) {
  return supervisor.state().workloads.find((one) => one.name === name);
}

function pidOf(name: string): number {
  return statusOf(name)?.identity?.pid ?? 0;
}

function log(name: string): string {
  return readFileSync(join(data, "logs", `${name}.log`), "utf8");
}

describe("a start", () => {
  it("nothing starts before what it needs is ready, or done", async () => {
    const order = join(data, "order");
    const mark = (name: string) => `echo ${name} >> ${order}`;
    await apply(
      topology(
        service(data, "first", `${mark("first")}; sleep 0.2; touch ${data}/ready; ${SERVE}`, {
          probes: { startup: fileProbe(`${data}/ready`), readiness: fileProbe(`${data}/ready`), liveness: null },
        }),
        job(data, "second", `test -f ${data}/ready && ${mark("second")}`, { after: ["first"] }),
        service(data, "third", `${mark("third")}; ${SERVE}`, { after: ["second"] }),
      ),
    );
    expect(readFileSync(order, "utf8")).toBe("first\nsecond\nthird\n");
    expect(supervisor.state().workloads.map(({ name, state }) => [name, state])).toEqual([
      ["first", "ready"],
      ["second", "done"],
      ["third", "ready"],
    ]);
  });

  it("a job is tried as often as it may, then its last lines are told and what waits for it is not started", async () => {
    const tries = join(data, "tries");
    const failing = job(data, "failing", `echo x >> ${tries}; echo the reason; exit 3`);
    await expect(apply(topology(failing, service(data, "never", SERVE, { after: ["failing"] })))).rejects.toThrow(
      "failing: ended with exit code 3; it printed last:\n  the reason",
    );
    expect(readFileSync(tries, "utf8")).toBe("x\nx\n");
    expect(statusOf("failing")?.state).toBe("failed");
    expect(statusOf("never")).toMatchObject({ state: "waiting", identity: null });
  });

  it("a service that does not get ready within its startup probe's time is ended and told with the probe's answer", async () => {
    const probe = { ...fileProbe(`${data}/nowhere`), periodS: 0.1, failureThreshold: 1 };
    const slow = service(data, "slow", SERVE, { probes: { startup: probe, readiness: probe, liveness: null } });
    await expect(apply(topology(slow))).rejects.toThrow(
      "slow: did not get ready within 0.1 s: test ended with exit code 1; it printed last:\n  hello\n  bye",
    );
  });

  it("a program that is not there is told by name", async () => {
    const absent = service(data, "absent", "", { command: ["no-such-program"] });
    await expect(apply(topology(absent))).rejects.toThrow(
      "absent: no-such-program cannot be started: spawn no-such-program ENOENT",
    );
  });
});

describe("while it runs", () => {
  it("what ends is started again, and nothing else is", async () => {
    await apply(topology(service(data, "one", SERVE), service(data, "two", SERVE)));
    const [one, two] = [pidOf("one"), pidOf("two")];
    process.kill(one, "SIGKILL");
    await waitFor(() => statusOf("one")?.restarts === 1 && statusOf("one")?.state === "ready");
    expect(pidOf("one")).not.toBe(one);
    expect({ pid: pidOf("two"), restarts: statusOf("two")?.restarts }).toEqual({ pid: two, restarts: 0 });
    expect(said).toContain("one: ended with signal SIGKILL; it printed last:\n  hello\nstarting again in 0.001 s");
  });

  it("what ends again and again is called failed, and comes back once it can", async () => {
    const script = `test -f ${data}/broken && { echo broken; exit 1; }; ${SERVE}`;
    await apply(topology(service(data, "one", script), service(data, "two", SERVE)));
    writeFileSync(join(data, "broken"), "");
    process.kill(pidOf("one"), "SIGKILL");
    const failed = await waitFor(() => {
      const status = statusOf("one");
      return status?.state === "failed" ? status : undefined;
    });
    expect(failed.failure).toBe("ended with exit code 1; it printed last:\n  broken");
    expect(statusOf("two")).toMatchObject({ state: "ready", restarts: 0 });
    rmSync(join(data, "broken"));
    await waitFor(() => statusOf("one")?.state === "ready");
  });

  it("what a killed process leaves behind is ended before the next one starts", async () => {
    const script = `sleep 300 & echo $! > "$1/data/child"; ${SERVE}`;
    await apply(topology(service(data, "one", script)));
    const child = await waitFor(() => Number(readFileSync(join(data, "one/data/child"), "utf8")));
    process.kill(pidOf("one"), "SIGKILL");
    await waitFor(() => statusOf("one")?.restarts === 1);
    expect(isRunning(child)).toBe(false);
  });

  it("one that is alive and does not answer any more is started again", async () => {
    const ready = join(data, "ready");
    writeFileSync(ready, "");
    const liveness = { ...fileProbe(join(data, "alive")), failureThreshold: 2 };
    const script = `touch ${data}/alive; ${SERVE}`;
    await apply(
      topology(
        service(data, "one", script, { probes: { startup: fileProbe(ready), readiness: fileProbe(ready), liveness } }),
      ),
    );
    await waitFor(() => existsSync(join(data, "alive")));
    rmSync(join(data, "alive"));
    await waitFor(() => statusOf("one")?.restarts === 1);
    expect(statusOf("one")?.failure ?? said.join("\n")).toContain(
      "does not answer any more: test ended with exit code 1",
    );
  });

  it("readiness comes and goes without a restart", async () => {
    const ready = join(data, "ready");
    writeFileSync(ready, "");
    const readiness = { ...fileProbe(ready), failureThreshold: 2 };
    await apply(topology(service(data, "one", SERVE, { probes: { startup: readiness, readiness, liveness: null } })));
    const pid = pidOf("one");
    rmSync(ready);
    await waitFor(() => statusOf("one")?.state === "not ready");
    writeFileSync(ready, "");
    await waitFor(() => statusOf("one")?.state === "ready");
    expect(pidOf("one")).toBe(pid);
  });
});

describe("a change", () => {
  it("touches what differs: kept, started, restarted, ended; a job that is done stays done", async () => {
    const count = join(data, "count");
    const jobs = job(data, "job", `echo x >> ${count}`);
    await apply(
      topology(jobs, service(data, "kept", SERVE), service(data, "old", SERVE), service(data, "changed", SERVE)),
    );
    const [kept, old, changed] = [pidOf("kept"), pidOf("old"), pidOf("changed")];
    await apply(
      topology(
        jobs,
        service(data, "kept", SERVE),
        service(data, "changed", `true; ${SERVE}`),
        service(data, "new", SERVE),
      ),
    );
    expect(pidOf("kept")).toBe(kept);
    expect({ old: isRunning(old), changed: isRunning(changed) }).toEqual({ old: false, changed: false });
    expect(supervisor.state().workloads.map(({ name, state }) => [name, state])).toEqual([
      ["job", "done"],
      ["kept", "ready"],
      ["changed", "ready"],
      ["new", "ready"],
    ]);
    expect(readFileSync(count, "utf8")).toBe("x\n");
  });

  it("other files are read again at a signal where the process can", async () => {
    const script =
      'trap "cat $1/config/file" HUP; trap "exit 0" TERM; touch "$1/data/ready"; while :; do sleep 0.05; done';
    const ready = fileProbe(join(data, "one/data/ready"));
    const reading = (text: string) =>
      service(data, "one", script, {
        reload: "SIGHUP",
        probes: { startup: ready, readiness: ready, liveness: null },
        checksum: text,
        files: [{ path: join(data, "one/config/file"), text, isSecret: false, isReread: false }],
      });
    await apply(topology(reading("first\n")));
    const pid = pidOf("one");
    await apply(topology(reading("second\n")));
    await waitFor(() => log("one").includes("second"));
    expect(pidOf("one")).toBe(pid);
  });

  it("a port that somebody else holds is refused before anything is touched", async () => {
    await apply(topology(service(data, "one", SERVE)));
    const pid = pidOf("one");
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    const moved = service(data, "one", SERVE, { checksum: "moved", ports: [{ name: "redis", port }] });
    await expect(apply(topology(moved))).rejects.toThrow(
      `port ${port} of one is in use by another program: change deployment.local.ports.redis`,
    );
    expect({ pid: pidOf("one"), state: statusOf("one")?.state }).toEqual({ pid, state: "ready" });
    await new Promise((resolve) => other.close(resolve));
  });

  it("a replica that does not come back stops the change: the next one still serves", async () => {
    const replica = (name: string, script: string) => {
      const ready = fileProbe(join(data, name, "data/ready"));
      const probes = { startup: ready, readiness: ready, liveness: null };
      return service(data, name, script, { tier: "gateway", probes });
    };
    const serve = `touch "$1/data/ready"; ${SERVE}`;
    const broken = 'rm "$1/data/ready"; exit 7';
    await apply(topology(replica("a", serve), replica("b", serve)));
    const b = pidOf("b");
    await expect(apply(topology(replica("a", broken), replica("b", broken)))).rejects.toThrow(
      "a: ended with exit code 7",
    );
    expect({ pid: pidOf("b"), state: statusOf("b")?.state }).toEqual({ pid: b, state: "ready" });
    await apply(topology(replica("a", serve), replica("b", serve)));
    expect({ a: statusOf("a")?.state, b: pidOf("b") }).toEqual({ a: "ready", b });
  });
});

describe("an end", () => {
  it("nobody ends before those who ask it", async () => {
    const order = join(data, "order");
    const last = (name: string) => `trap "echo ${name} >> ${order}; exit 0" TERM; while :; do sleep 0.05; done`;
    await apply(
      topology(
        service(data, "database", last("database")),
        service(data, "gateway", last("gateway"), { after: ["database"] }),
        service(data, "door", last("door"), { after: ["gateway"] }),
      ),
    );
    await supervisor.stop();
    expect(readFileSync(order, "utf8")).toBe("door\ngateway\ndatabase\n");
    expect(supervisor.state().workloads.map(({ state }) => state)).toEqual(["stopped", "stopped", "stopped"]);
  });

  it("an end in the middle of a change is an end: nothing is started after it", async () => {
    const slow = (word: string) =>
      service(data, "slow", `trap "sleep 0.3; exit 0" TERM; echo ${word}; while :; do sleep 0.05; done`);
    await apply(topology(slow("first"), service(data, "later", SERVE)));
    await waitFor(() => log("slow").includes("first"));
    const changing = apply(topology(slow("second"), service(data, "later", `true; ${SERVE}`))).catch(
      (error: Error) => error.message,
    );
    await waitFor(() => statusOf("slow")?.state === "stopping");
    await supervisor.stop();
    expect(await changing).toBe("slow is not started any more: the stack ends");
    expect(supervisor.state().workloads.map(({ state, identity }) => [state, identity])).toEqual([
      ["stopped", null],
      ["stopped", null],
    ]);
    expect(log("slow")).not.toContain("second");
  });

  it("what does not end in its time is killed, with everything below it", async () => {
    const script = 'trap "" TERM; sleep 300 & while :; do sleep 0.05; done';
    await apply(topology(service(data, "deaf", script, { shutdown: { signal: "SIGTERM", waitS: 0, graceS: 0.2 } })));
    const pid = pidOf("deaf");
    const below = await waitFor(() => (descendants(pid).length > 0 ? descendants(pid) : undefined));
    await supervisor.stop();
    expect([pid, ...below].filter(isRunning)).toEqual([]);
    expect(said).toContain("deaf did not end within 0.2 s and was killed");
  });

  it("the state on disk names every process for ever, and nobody who is gone", async () => {
    await apply(topology(service(data, "one", SERVE)));
    expect(readState(data)).toEqual(supervisor.state());
    expect(readState(data)?.workloads[0]?.identity).toEqual(statusOf("one")?.identity);
    await supervisor.stop();
    expect(readState(data)?.workloads[0]?.identity).toBeNull();
  });
});

describe("a schedule", () => {
  it("does not run by itself, runs when it is asked, and fails with its words", async () => {
    const ran = join(data, "ran");
    const shape = { kind: "schedule", cron: "0 3 * * *", deadlineS: 10 } as const;
    const backup = service(data, "backup", `test -f ${ran} && { echo twice; exit 1; }; touch ${ran}`, { shape });
    await apply(topology(service(data, "one", SERVE), backup));
    expect({ ran: existsSync(ran), schedules: supervisor.state().schedules }).toEqual({
      ran: false,
      schedules: [{ name: "backup", cron: "0 3 * * *" }],
    });
    await supervisor.runOnce("backup");
    expect(existsSync(ran)).toBe(true);
    await expect(supervisor.runOnce("backup")).rejects.toThrow(
      "backup: ended with exit code 1; it printed last:\n  twice",
    );
    await expect(supervisor.runOnce("restore")).rejects.toThrow("restore is no schedule of this stack; it has backup");
  });
});

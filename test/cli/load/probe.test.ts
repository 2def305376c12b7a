import { spawn } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { HttpAnswer } from "../../../cli/load/http-reader.ts";
import type { LinkFailure } from "../../../cli/load/link.ts";
import { besideMcp } from "../../../cli/load/messages.ts";
import { metricsProbe, processProbe } from "../../../cli/load/probe.ts";
import { progressBar } from "../../../cli/load/progress.ts";
import { answerOf, REFUSED } from "./fake.ts";

const metrics = (start: number, cpu = 1.5) =>
  answerOf(
    200,
    `# HELP x\nprocess_cpu_seconds_total ${cpu}\nprocess_resident_memory_bytes 1048576\nprocess_start_time_seconds ${start}\n`,
  );

/** A probe of a gateway that gives these answers, one after the other. */
function probeOf(...answers: readonly (HttpAnswer | LinkFailure)[]) {
  const requests: string[] = [];
  const open = () => ({
    send(request: string, done: (answer: HttpAnswer | LinkFailure) => void) {
      requests.push(request);
      setImmediate(() => done(answers[requests.length - 1] ?? REFUSED));
    },
    close: () => undefined,
  });
  const endpoint = { url: new URL("http://127.0.0.1:4444/servers/a/mcp"), token: "t" };
  return { probe: metricsProbe({ endpoint, open }), requests };
}

describe("reading the workers", () => {
  it("takes CPU and memory from /metrics beside the endpoint", async () => {
    const { probe, requests } = probeOf(metrics(5));
    expect(await probe.read()).toEqual([{ worker: "/metrics", cpuSeconds: 1.5, residentBytes: 1_048_576 }]);
    expect(requests).toEqual([
      "GET /metrics HTTP/1.1\r\nhost: 127.0.0.1:4444\r\nauthorization: Bearer t\r\naccept: text/plain\r\n\r\n",
    ]);
  });

  it.each([
    [[REFUSED], "/metrics: socket ECONNREFUSED"],
    [[answerOf(403, "")], "/metrics was answered with HTTP 403"],
    [[answerOf(200, "up 1\n")], "/metrics has no process_cpu_seconds_total"],
    [[metrics(5), metrics(6)], "/metrics is answered by several processes, or the gateway was restarted"],
  ])("says why it cannot: %#", async (answers, why) => {
    const { probe } = probeOf(...answers);
    for (const _ of answers.slice(1)) await probe.read();
    expect(await probe.read()).toBe(why);
  });

  it("takes them from /proc for processes of this machine", async () => {
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] });
    const pid = child.pid ?? 0;
    const probe = processProbe([process.pid, pid]);
    const readings = await probe.read();
    expect(readings).toEqual(
      [process.pid, pid].map((id) => ({
        worker: `pid ${id}`,
        cpuSeconds: expect.any(Number),
        residentBytes: expect.any(Number),
      })),
    );
    const closed = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await closed;
    expect(await probe.read()).toBe(`process ${pid} is not in /proc`);
  });

  it.each([
    ["http://h/mcp", "http://h/metrics"],
    ["http://h/mcp/?a=b", "http://h/metrics"],
    ["http://h/servers/x/mcp", "http://h/metrics"],
    ["https://h:1/gateways/x%2Fy/mcp", "https://h:1/metrics"],
    ["http://h/prefix/servers/x/mcp", "http://h/prefix/metrics"],
    ["http://h/other", "http://h/other/metrics"],
    ["http://h/", "http://h/metrics"],
  ])("beside %s is %s", (url, beside) => {
    expect(besideMcp(new URL(url), "/metrics").href).toBe(beside);
  });
});

describe("the progress bar", () => {
  it("is drawn over itself on a terminal, and removed", () => {
    const written: string[] = [];
    const bar = progressBar({ isTTY: true, write: (text) => written.push(text) }, 10);
    bar.show({ step: "base", doneSeconds: 5, requests: 120 });
    bar.show({ step: "after", doneSeconds: 11, requests: 240 });
    bar.clear();
    expect(written).toEqual([
      `\r\x1b[K${"█".repeat(15)}${"░".repeat(15)} 5/10 s  base, 120 requests`,
      `\r\x1b[K${"█".repeat(30)} 11/10 s  after, 240 requests`,
      "\r\x1b[K",
    ]);
  });

  it("is nowhere else", () => {
    const written: string[] = [];
    const bar = progressBar({ write: (text) => written.push(text) }, 10);
    bar.show({ step: "base", doneSeconds: 5, requests: 120 });
    bar.clear();
    expect(written).toEqual([]);
  });
});

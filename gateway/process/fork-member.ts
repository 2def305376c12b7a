/** Workers as processes of node:cluster: the primary accepts connections and hands them round. */
import cluster from "node:cluster";
import type { Readable } from "node:stream";
import { type ChildMessage, describeExit, isMessage } from "./child.ts";
import { returnConnections } from "./handed-connections.ts";
import type { End, Hire } from "./member.ts";

export type ForkOptions = {
  /** A .ts entry file that calls `attend`. */
  readonly entry: string;
  /** Largest heap of a worker, MiB; undefined for Node's own rule. */
  readonly heapMiB: number | undefined;
  /** Beside what is inherited. */
  readonly env: Readonly<Record<string, string>>;
};

/** The last of what a process wrote that was no line of its log; V8 says there why it ends. */
const MAX_LINE_CHARS = 4096;
const HEAP_IS_FULL = /JavaScript heap out of memory/;

/** Workers are forked with `options()` as they are then. */
export function forking(options: () => ForkOptions): Hire {
  return (id, events) => {
    const { entry, heapMiB, env } = options();
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({
      exec: entry,
      args: [],
      execArgv: heapMiB === undefined ? [] : [`--max-old-space-size=${heapMiB}`],
      serialization: "advanced",
      // stdout belongs to the line of --json.
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    const worker = cluster.fork(env);
    const { process: child } = worker;
    returnConnections(worker);
    const said = { last: "", isHeapFull: false };
    for (const stream of [child.stdout, child.stderr]) relay(stream, said);
    let isOver = false;
    const ended = (end: End) => {
      if (isOver) return;
      isOver = true;
      events.ended(end);
    };
    child.on("message", (message) => isMessage(message) && events.message(message));
    child.on("error", (error) => {
      if (child.pid === undefined) ended({ isClean: false, kind: "crash", reason: error.message });
    });
    // "close" comes when its last words have been read.
    child.on("close", (code, signal) => ended(endOf(code, signal, said)));
    return {
      id,
      pid: child.pid,
      send(message: ChildMessage) {
        if (child.connected) child.send(message, undefined, undefined, () => undefined);
      },
      kill: () => void child.kill("SIGKILL"),
    };
  };
}

function endOf(
  code: number | null,
  signal: NodeJS.Signals | null,
  said: { readonly last: string; readonly isHeapFull: boolean },
): End {
  const how = describeExit(code, signal);
  if (said.isHeapFull) return { isClean: false, kind: "memory", reason: `its heap is full (${how})` };
  const reason = said.last === "" ? how : `${how}; its last line: ${said.last}`;
  return { isClean: code === 0, kind: "crash", reason };
}

/** Whole lines, as they are, to our stderr: two workers' lines must not end up in each other. */
function relay(stream: Readable | null, said: { last: string; isHeapFull: boolean }): void {
  let rest = "";
  const lines = (text: string) => {
    process.stderr.write(text);
    for (const line of text.split("\n")) {
      if (line.trim() === "" || isLogLine(line)) continue;
      if (HEAP_IS_FULL.test(line)) said.isHeapFull = true;
      said.last = line.slice(0, MAX_LINE_CHARS);
    }
  };
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    const text = rest + chunk;
    const end = text.lastIndexOf("\n") + 1;
    rest = text.slice(end);
    if (end > 0) lines(text.slice(0, end));
  });
  stream?.on("end", () => {
    if (rest !== "") lines(`${rest}\n`);
  });
}

function isLogLine(line: string): boolean {
  return line.startsWith("{") || /^\d{4}-\d\d-\d\dT\S+ (?:debug|info|warn|error) /.test(line);
}

/** The upstream behind everything that is measured: in C where a compiler is, so that it never is the bottleneck, else in Node. */
import { join } from "node:path";
import { BESIDE, firstJson, type Part, start } from "./machine.ts";
import { compiled } from "./native.ts";

/** legacy: no sessions; session: one for each initialize; modern: MCP 2026-07-28. */
export type Variant = "legacy" | "session" | "modern";

export type Upstream = {
  readonly language: "C" | "Node";
  readonly pid: number;
  /** Each has an origin of its own. */
  readonly ports: readonly string[];
  /** The same as a command that speaks over stdin and stdout; undefined in Node. */
  readonly command: readonly string[] | undefined;
  /** `tools`: length of its tools/list. */
  url(variant: Variant, tools?: number, port?: string): string;
  stop(): Promise<void>;
};

/** Of its tools `events` and `ticks`, before the result. */
export const EVENTS = 200;
/** Stands in every right answer to a tool of the upstream in C. */
const SMALL = 111;

export async function startUpstream(directory: string, ports = 1): Promise<Upstream> {
  const program = await compiled(directory, "upstream");
  if (program === undefined) return nodeUpstream();
  const part = start(BESIDE, program, [String(ports)]);
  const listening = ((await firstJson(part)).ports ?? "").split(" ");
  return {
    language: "C",
    pid: part.pid,
    ports: listening,
    command: [program, "--stdio"],
    url: (variant, tools, port = listening[0]) =>
      `http://127.0.0.1:${port}/${variant}${tools === undefined ? "" : `?tools=${tools}`}`,
    stop: part.stop,
  };
}

/** Legacy, two tools, one port: what needs more is left out where there is no compiler. */
async function nodeUpstream(): Promise<Upstream> {
  const part: Part = start(BESIDE, process.execPath, [join(import.meta.dirname, "../cli/load/upstream.ts")]);
  const { url = "" } = await firstJson(part);
  return {
    language: "Node",
    pid: part.pid,
    ports: [new URL(url).port],
    command: undefined,
    url: () => url,
    stop: part.stop,
  };
}

/** What every right answer to tools/call of `echo` has in it. */
export function echoed({ language }: Upstream): string {
  return language === "C" ? `"text":"${"b".repeat(SMALL)}"` : `"text":"${TEXT}"`;
}

/** The argument of every call; the upstream in Node says it again. */
export const TEXT = "b".repeat(64);

/**
 * `npm run bench`: what the gateway costs, engine by engine, as ratios to nginx as a plain proxy, and what it costs besides. Each section
 * measures one thing; `--only NAME` runs one of them, `--write` puts the tables into docs/performance.md. All of them together take about
 * twelve minutes on a machine that does nothing else.
 */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { pinned } from "./machine.ts";
import { nginxVersion } from "./nginx.ts";
import { writeSections } from "./page.ts";
import type { Course, Section } from "./section.ts";
import { calls, connections, large } from "./sections/calls.ts";
import { events } from "./sections/events.ts";
import { http2 } from "./sections/http2.ts";
import { latency } from "./sections/latency.ts";
import { lists } from "./sections/lists.ts";
import { others } from "./sections/others.ts";
import { overload } from "./sections/overload.ts";
import { scale } from "./sections/scale.ts";
import { standing } from "./sections/standing.ts";
import { websocket } from "./sections/websocket.ts";
import { type Stage, setStage } from "./stage.ts";

const SECTIONS: readonly Section[] = [
  calls,
  connections,
  large,
  events,
  http2,
  lists,
  websocket,
  latency,
  scale,
  others,
  standing,
  overload,
];

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    write: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "2" },
    varied: { type: "boolean", default: false },
    peers: { type: "string" },
    /** For each engine; a minute where nothing else is measured. */
    "overload-seconds": { type: "string" },
  },
});

const chosen = values.only ?? SECTIONS.map(({ name }) => name);
for (const name of chosen)
  if (!SECTIONS.some((section) => section.name === name))
    throw new Error(`--only ${name}: the sections are ${SECTIONS.map((section) => section.name).join(", ")}`);

/** Of the section at hand. */
let failures: string[] = [];
let staged: Promise<Stage> | undefined;
const directory = await mkdtemp(join(tmpdir(), "mcp-stack-bench-"));
const course: Course = {
  directory,
  rounds: wholeOf("rounds"),
  seconds: wholeOf("seconds"),
  varied: values.varied,
  peers: values.peers,
  overloadSeconds: wholeOf("overload-seconds", values.only?.join() === "overload" ? "60" : "10"),
  say: (line) => process.stderr.write(`${line}\n`),
  failed(what, error) {
    const reason = error instanceof Error ? error.message : String(error);
    failures.push(`${what}: ${reason.slice(0, 500)}`);
    course.say(`FAILED ${failures.at(-1)}`);
  },
  stage: () => {
    staged ??= setStage(directory);
    return staged;
  },
};

function wholeOf(name: "rounds" | "seconds" | "overload-seconds", otherwise = "1"): number {
  const given = values[name] ?? otherwise;
  const value = Number(given);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${given}: a whole number from 1`);
  return value;
}

/** When, where and by what: a figure without them is a rumour. */
function provenance(section: Section): string {
  const how = pinned
    ? "What is measured is alone on core 0, generator and upstream are on core 1"
    : "nothing is pinned to a core";
  const options = [values.varied ? "--varied" : "", values.peers === undefined ? "" : "--peers DIR"];
  const given = ["--only", section.name, ...options].filter((part) => part !== "").join(" ");
  const day = new Date().toISOString().slice(0, 10);
  return `\`npm run bench -- ${given} --write\`, ${day}, Node ${process.version}, nginx ${nginxVersion()}, ${cpus().length} cores
(${cpus()[0]?.model.trim() ?? "unknown"}). ${how}; ${course.rounds} alternating rounds of ${course.seconds} s.`;
}

async function runSection(section: Section): Promise<void> {
  const began = performance.now();
  failures = [];
  course.say(`${section.name} …`);
  const text = await section.run(course).catch((error: unknown) => {
    course.failed(section.name, error);
    return "";
  });
  course.say(`${section.name} took ${((performance.now() - began) / 1000).toFixed(0)} s`);
  if (failures.length > 0) process.exitCode = 1;
  if (text === "") return;
  const failed = failures.length === 0 ? "" : `\n\nFailed: ${failures.join("; ")}.`;
  const whole = `${provenance(section)}\n\n${text}${failed}`;
  const heading = section.heading + (values.varied ? ", no two requests alike" : "");
  process.stdout.write(`## ${heading}\n\n${whole}\n\n`);
  // Written one by one: what comes later may be interrupted.
  if (values.write) await writeSections({ [heading]: whole });
}

// What was started is killed with this process (machine.ts), however it ends.
process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
try {
  for (const section of SECTIONS) if (chosen.includes(section.name)) await runSection(section);
} finally {
  await (await staged?.catch(() => undefined))?.close();
}

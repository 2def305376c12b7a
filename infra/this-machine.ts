/**
 * The smallest deployment: one gateway with an embedded database on the machine somebody sits at. Its inputs are what the machine has, its
 * load is the most that one worker is proved to carry, and its plan becomes the settings of that gateway.
 */
import type { PlanDocument } from "../contract/plan.ts";
import { encodeSettings } from "../contract/setting-values.ts";
import { evaluate, plan, readInput, type SizingInput } from "./sizing/index.ts";
import { planSettings } from "./topology/index.ts";

export type Machine = {
  /** That may run at once. */
  readonly cores: number;
  readonly memoryMiB: number;
  /** Descriptors that a process may raise its limit to. */
  readonly nofile: number;
};

export type MachinePlan = {
  readonly input: SizingInput;
  readonly document: PlanDocument;
  /** Environment text for what the plan has a number and the gateway a setting. */
  readonly settings: Readonly<Record<string, string>>;
  /** A few lines for people. */
  readonly text: string;
};

/** A gateway takes at most this of somebody's machine, MiB: more would only be a larger heap to collect. */
const MOST_MEMORY = 2048;
const MIB_PER_GIB = 1024;
/** A tool call that asks another server; nobody knows the stranger's tools. */
const MEAN_LATENCY_MS = 250;
/** Calls at once, and streams, that a first user may try without being refused; proved to fit like any number, so smaller machines get less. */
const CROWDS = [1000, 300, 100, 30];
/** Calls to one upstream at once: somebody's only one takes them all. */
const SOCKETS_PER_ORIGIN = 128;
const BACKLOG = 2048;
/** Requests per second, tried from the largest. */
const LOADS = [5000, 2000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1];

/** Undefined where not even the least load holds: a machine with less memory than a gateway needs. Pure. */
export function planForMachine(machine: Machine): MachinePlan | undefined {
  for (const crowd of CROWDS)
    for (const peakRps of LOADS) {
      const reading = readInput(inputsFor(machine, peakRps, crowd));
      if (!reading.ok) continue;
      // Whether it holds is cheap to know; what would repair it is not, and is not asked here.
      const { budgets, plan: tried } = evaluate(reading.input);
      const isRefused = budgets.some(({ holds, rule }) => !holds && rule.severity === "refuse");
      if (isRefused || tried.gateway.replicas.max > 1) continue;
      const document = plan(reading.input);
      const settings = encodeSettings(planSettings(document.plan));
      return { input: reading.input, document, settings, text: textOf(machine, document) };
    }
  return undefined;
}

function inputsFor({ cores, memoryMiB, nofile }: Machine, peakRps: number, crowd: number) {
  const memory = Math.floor(Math.min(MOST_MEMORY, memoryMiB / 2));
  return {
    environment: "dev",
    load: { peakRps, meanLatencyMs: MEAN_LATENCY_MS, concurrentUsers: crowd, sseStreams: crowd },
    // One process is one gateway: nothing surges beside it, nothing scales it.
    gateway: { engine: "fastify", workers: 1, cpu: Math.min(1, cores), memory: `${memory}Mi`, hpa: false, maxSurge: 0 },
    database: { mode: "direct", postgres: { cpu: Math.min(1, cores), memory: "1Gi" } },
    cluster: { nofileHard: nofile },
    given: {
      "gateway.inFlightPerWorker": crowd,
      "gateway.backlog": BACKLOG,
      "mcp.socketsPerOrigin": SOCKETS_PER_ORIGIN,
    },
  };
}

function textOf({ cores, memoryMiB }: Machine, document: PlanDocument): string {
  const { plan: planned, budgets, warnings } = document;
  const memory = (memoryMiB / MIB_PER_GIB).toFixed(1);
  const verdict =
    warnings.length === 0 ? `all ${budgets.length} budgets hold` : `it holds, with ${warnings.length} warnings`;
  return [
    `Plan for this machine (${cores} ${cores === 1 ? "core" : "cores"}, ${memory} GiB): ${verdict}.`,
    `  One gateway for ${Math.floor(planned.load.gatewayRps)} requests/s, ${planned.gateway.inFlightPerWorker} at once and ${planned.mcp.streamsPerWorker} streams, within ${planned.gateway.memoryMiB} MiB.`,
    "  Its speed is assumed until you measure it: mcp-stack load --serve. Your own stack: mcp-stack plan -s dev.",
    "",
  ].join("\n");
}

/**
 * What a plan costs: `node bench/plan.ts`. A thousand different deployments, accepted ones and refused ones with their repairs, against
 * printing the same documents as JSON in the same run.
 */
import { plan, readInput, type SizingInput } from "../infra/sizing/index.ts";
import { writeSections } from "./page.ts";
import { median, rows } from "./tables.ts";

export type PlanCost = {
  readonly plans: number;
  readonly refused: number;
  readonly repairs: number;
  /** Seconds for all of them, the median of the rounds. */
  readonly seconds: number;
  /** Milliseconds of an accepted one, median. */
  readonly acceptedMs: number;
  /** Milliseconds of a refused one with its repairs: median and the slowest. */
  readonly refusedMs: readonly [median: number, slowest: number];
  /** Times of `JSON.stringify` of the document, median over the accepted ones. */
  readonly ofStringify: number;
};

const COUNT = 1000;
const ROUNDS = 3;

/** Deterministic numbers in 0…1 (Park and Miller's minimal standard generator). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

/** Deployments from a laptop to a region; every other one has a pinned number as somebody with a running system would. */
function deployments(): SizingInput[] {
  const next = numbers(20_261_121);
  const between = (least: number, most: number) => Math.round(least * (most / least) ** next());
  return Array.from({ length: COUNT }, (_, index) => {
    const isProd = index % 3 > 0;
    const reading = readInput({
      environment: isProd ? "prod" : "dev",
      load: {
        peakRps: between(5, 50_000),
        meanLatencyMs: between(5, 2000),
        concurrentUsers: between(10, 200_000),
        sseStreams: between(1, 20_000),
        zones: between(1, 3),
      },
      gateway: { cpu: between(1, 8), memory: `${between(512, 16_384)}Mi`, rpsPerWorker: between(100, 4000) },
      database: {
        mode: next() < 0.8 ? "pgbouncer" : "direct",
        postgres: { cpu: between(1, 32), memory: `${between(1, 128)}Gi` },
      },
      ...(index % 2 === 0
        ? {}
        : { given: { "postgres.maxConnections": between(20, 2000), "redis.maxclients": between(100, 20_000) } }),
    });
    if (!reading.ok) throw new Error(reading.problems.map(({ message }) => message).join("\n"));
    return reading.input;
  });
}

/** Takes some seconds. */
export function measurePlans(): PlanCost {
  const inputs = deployments();
  for (const input of inputs.slice(0, 50)) plan(input);
  const rounds = Array.from({ length: ROUNDS }, () => {
    const accepted: number[] = [];
    const refused: number[] = [];
    const ratios: number[] = [];
    let repairs = 0;
    const start = performance.now();
    for (const input of inputs) {
      const before = performance.now();
      const document = plan(input);
      const between = performance.now();
      JSON.stringify(document);
      const after = performance.now();
      (document.accepted ? accepted : refused).push(between - before);
      if (document.accepted) ratios.push((between - before) / (after - between));
      for (const refusal of document.refusals) repairs += refusal.repairs.length;
    }
    return { seconds: (performance.now() - start) / 1000, accepted, refused, ratios, repairs };
  });
  const all = (of: "accepted" | "refused" | "ratios") => rounds.flatMap((round) => round[of]);
  return {
    plans: COUNT,
    refused: rounds[0]?.refused.length ?? 0,
    repairs: rounds[0]?.repairs ?? 0,
    seconds: median(rounds.map(({ seconds }) => seconds)),
    acceptedMs: median(all("accepted")),
    refusedMs: [median(all("refused")), Math.max(...all("refused"))],
    ofStringify: median(all("ratios")),
  };
}

/** Markdown. */
export function planSection(cost: PlanCost): string {
  return `\`node bench/plan.ts --write\`: ${cost.plans} different deployments, ${cost.plans - cost.refused} accepted and ${cost.refused} refused with
${cost.repairs} repairs together, medians of ${ROUNDS} rounds on one core.

${rows([
  ["", ""],
  ["all of them, with repairs", `${cost.seconds.toFixed(1)} s`],
  [
    "an accepted plan with its provenance",
    `${cost.acceptedMs.toFixed(2)} ms, ${cost.ofStringify.toFixed(2)} of printing it as JSON`,
  ],
  [
    "a refused plan with its repairs",
    `${cost.refusedMs[0].toFixed(1)} ms, the slowest ${cost.refusedMs[1].toFixed(0)} ms`,
  ],
])}`;
}

if (import.meta.main) {
  const section = planSection(measurePlans());
  process.stdout.write(`${section}\n`);
  if (process.argv.includes("--write")) await writeSections({ "What a plan costs": section });
}

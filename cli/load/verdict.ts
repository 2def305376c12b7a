/** What a load test says in a sentence, and what a reader has to know beside the figures. */
import type { Ending } from "./generator.ts";
import type { Figures, LoadReport, StepReport } from "./report.ts";

type Judged = Omit<LoadReport, "verdict" | "notes">;

/** Above this share of a core the generator, one thread, limits the throughput. */
const GENERATOR_BUSY = 0.9;
/** Arrivals that the generator itself sent later than this spoil what an open loop says about latency. */
const GENERATOR_LATE_MS = 10;
/** Below this share of the offered rate the gateway did not keep up. */
const KEPT_UP = 0.98;

export function verdictOf(report: Judged, ending: Ending): string {
  const { total } = report;
  const after = `${seconds(total.seconds)} of load`;
  if (ending.how === "gone") return `The gateway was gone after ${after}: ${ending.why}. ${failuresText(total)}`;
  if (ending.how === "interrupted") return `Interrupted after ${after}. ${failuresText(total)}`;
  return `${byProfile(report)} ${failuresText(total)}`;
}

function byProfile({ profile, knee, steps, total }: Judged): string {
  if (profile === "step" && knee !== undefined)
    return `The knee is at ${knee.step}: ${rate(knee.throughput)}; ${beyondKnee(knee, steps.at(-1))}.`;
  if (profile === "spike") return spikeText(steps);
  const offered = steps[0]?.offeredRps;
  if (offered === undefined) return `${rate(total.throughput)}, p99 ${ms(total.latencyMs.p99)}.`;
  const keptUp = total.throughput >= KEPT_UP * offered ? "The gateway kept up" : "The gateway did not keep up";
  return `${keptUp}: ${perSecond(total.throughput)} of ${rate(offered)} offered, p99 ${ms(total.latencyMs.p99)}.`;
}

function beyondKnee(knee: { readonly step: string }, last: StepReport | undefined): string {
  if (last?.name !== knee.step) return "more load adds less than 5 %";
  const { offeredRps, throughput } = last;
  if (offeredRps === undefined || throughput >= KEPT_UP * offeredRps) return "the last step, more may be possible";
  return "it did not keep up with what was offered";
}

function spikeText(steps: LoadReport["steps"]): string {
  const [base, spike, after] = steps;
  if (base === undefined || spike === undefined || after === undefined) return "The spike was not reached.";
  const offered = spike.offeredRps ?? 0;
  const back = `p99 ${ms(base.latencyMs.p99)} before, ${ms(after.latencyMs.p99)} after`;
  return `In the spike ${perSecond(spike.throughput)} of ${rate(offered)} were served and ${percent(spike.shedShare)} refused; ${back}.`;
}

function failuresText({ failed, requests, failedShare, failures, shed }: Figures): string {
  if (requests === 0) return "Nothing was answered.";
  if (failed === 0) return `None of ${count(requests)} requests failed.`;
  const [kind = "", times = 0] = Object.entries(failures)[0] ?? [];
  const most = times === failed ? `all ${kind}` : `most of them ${kind} (${count(times)})`;
  return `${count(failed)} of ${count(requests)} requests failed (${percent(failedShare)}), ${most}${
    shed > 0 && shed < failed ? `; ${count(shed)} were refused with 503` : ""
  }.`;
}

export function notesOf({ generator, steps, total, workers, coldStartS }: Judged): string[] {
  const notes: string[] = [];
  if ("unreachable" in workers)
    notes.push(
      `CPU and memory of the workers cannot be reached: ${workers.unreachable}. --pid names processes of this machine, --serve starts a gateway of its own.`,
    );
  if (generator.busyShare > GENERATOR_BUSY)
    notes.push(
      `The generator used ${percent(generator.busyShare)} of a core: the gateway may serve more than this; CPU per request is hardly touched by that.`,
    );
  if (generator.latenessP99Ms > GENERATOR_LATE_MS)
    notes.push(
      `The generator was up to ${ms(generator.latenessP99Ms)} late with its own arrivals (p99): this machine is too busy for the latencies of an open loop.`,
    );
  if (total.unsent > 0)
    notes.push(`${count(total.unsent)} arrivals found no connection before their step ended; they are in no latency.`);
  if (total.cut > 0) notes.push(`${count(total.cut)} requests were in flight at the end and are in no figure.`);
  if (steps.some(({ cpu }) => cpu === undefined) && "source" in workers && total.good > 0)
    notes.push("Steps without CPU figures used less CPU time than the clock of the system shows, or served nothing.");
  if (coldStartS !== undefined)
    notes.push("The cold start is that of a gateway whose embedded database exists already: a first run takes longer.");
  return notes;
}

function rate(value: number): string {
  return `${perSecond(value)} requests/s`;
}

function perSecond(value: number): string {
  return value >= 100 ? count(Math.round(value)) : value.toFixed(1);
}

export function ms(value: number): string {
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)} ms`;
}

export function seconds(value: number): string {
  return `${value.toFixed(1)} s`;
}

export function percent(share: number): string {
  const value = share * 100;
  return `${value >= 10 || value === 0 ? value.toFixed(0) : value >= 0.1 ? value.toFixed(1) : "<0.1"} %`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

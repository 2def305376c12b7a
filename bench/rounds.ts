/** Measures side by side: alternating rounds in one run, so that what else the machine does falls on all alike. */
import { treeCpuSeconds } from "../cli/load/processes.ts";
import { fire } from "./generator.ts";
import { BESIDE, coreBusySeconds } from "./machine.ts";
import { posted, type Shot, varied } from "./requests.ts";
import { type Counted, fireWrk, hasWrk, type Volley } from "./wrk.ts";

/** One way for the same work, and the requests that take it. */
export type Lane = {
  readonly name: string;
  readonly url: string;
  /** The same where HTTP/1.1 is spoken, for the check of the answers; the url itself where it is absent. */
  readonly checkUrl?: string;
  readonly shots: readonly Shot[];
  readonly connections: number;
  /** Stands in every right answer. */
  readonly expect: string;
  /** The process under test; absent where nothing stands between generator and upstream. */
  readonly pid?: number | undefined;
};

export type Round = Counted & {
  readonly perSecond: number;
  readonly cpuMsPerCall: number | undefined;
  /** Share of the time that the core of generator and upstream was busy: near 1 they are what limits. */
  readonly besideBusy: number;
};
export type Measured = ReadonlyMap<string, readonly Round[]>;

export type Pace = {
  readonly rounds: number;
  readonly seconds: number;
  /** No two requests of many are alike. */
  readonly varied: boolean;
  say(line: string): void;
  /** A lane that cannot be measured: the others are, and the run ends with an error. */
  failed(what: string, error: unknown): void;
};

export type Fire = (volley: Volley, expect: string) => Promise<Counted>;

const VARIANTS = 256;
const WARM_SECONDS = 1;

/** Our own generator where wrk is not installed. */
export const fireAny: Fire = ({ url, shots, connections, seconds }, expect) =>
  hasWrk
    ? fireWrk({ url, shots, connections, seconds })
    : fire({ url, requests: posted(url, shots), load: { kind: "closed", connections, seconds }, expect });

/** Every lane is checked and warmed first. One with a wrong answer is left out from there on. */
export async function measure(given: readonly Lane[], pace: Pace, shoot: Fire = fireAny): Promise<Measured> {
  const measured = new Map<string, Round[]>(given.map(({ name }) => [name, []]));
  const warm = new Map<string, Counted>();
  let lanes = given.map((lane) => (pace.varied ? { ...lane, shots: varied(lane.shots, VARIANTS) } : lane));
  const each = async (work: (lane: Lane) => Promise<void>): Promise<void> => {
    const sound: Lane[] = [];
    for (const lane of lanes) {
      const error: unknown = await work(lane).then(
        () => undefined,
        (reason) => reason,
      );
      if (error === undefined) sound.push(lane);
      else pace.failed(lane.name, error);
    }
    lanes = sound;
  };
  await each(async (lane) => {
    await check(lane);
    warm.set(lane.name, await shoot({ ...lane, seconds: WARM_SECONDS }, lane.expect));
  });
  for (let index = 0; index < pace.rounds; index += 1)
    await each(async (lane) => {
      const round = await oneRound(lane, pace, shoot);
      const before = warm.get(lane.name);
      // wrk does not read answers: their length tells errors with status 200 from results.
      if (before !== undefined && !isAlike(before, round, lane.connections))
        throw new Error(
          `${round.bytes} bytes in ${round.calls} answers, in the warm-up ${before.bytes} in ${before.calls}`,
        );
      measured.get(lane.name)?.push(round);
      const cpu = round.cpuMsPerCall === undefined ? "–" : (round.cpuMsPerCall * 1000).toFixed(1);
      pace.say(`round ${index + 1}, ${lane.name}: ${round.perSecond.toFixed(0)}/s, ${cpu} µs of CPU`);
    });
  return measured;
}

/**
 * Whether two loads may have got answers of the same length, within 2 %. What is in flight at the end is among the bytes and not among
 * the answers, so that few long answers tell little. Where nobody counted bytes they may.
 */
export function isAlike(a: Counted, b: Counted, inFlight: number): boolean {
  const least = ({ bytes = 0, calls }: Counted) => bytes / (calls + inFlight);
  const most = ({ bytes = 0, calls }: Counted) => (calls === 0 ? Number.POSITIVE_INFINITY : bytes / calls);
  if (a.bytes === undefined || b.bytes === undefined) return true;
  return least(a) <= 1.02 * most(b) && least(b) <= 1.02 * most(a);
}

/** Each of the requests is answered as expected. */
async function check({ url, checkUrl = url, shots, expect }: Lane): Promise<void> {
  for (const { headers, body } of shots) {
    const answer = await fetch(checkUrl, { method: "POST", headers, body });
    const text = await answer.text();
    if (answer.status !== 200 || !text.includes(expect))
      throw new Error(`${body.slice(0, 200)} was answered with ${answer.status} ${text.slice(0, 500)}`);
  }
}

async function oneRound(lane: Lane, { seconds }: Pace, shoot: Fire): Promise<Round> {
  const cpu = () => (lane.pid === undefined ? undefined : treeCpuSeconds(lane.pid));
  const [before, busyBefore, began] = [cpu(), coreBusySeconds(BESIDE), performance.now()];
  const counted = await shoot({ ...lane, seconds }, lane.expect);
  const took = (performance.now() - began) / 1000;
  const [after, busyAfter] = [cpu(), coreBusySeconds(BESIDE)];
  if (counted.failures > 0 || counted.calls === 0)
    throw new Error(`${counted.failures} of ${counted.calls} requests failed`);
  return {
    ...counted,
    perSecond: counted.calls / counted.seconds,
    cpuMsPerCall: before === undefined || after === undefined ? undefined : ((after - before) * 1000) / counted.calls,
    besideBusy: (busyAfter - busyBefore) / took,
  };
}

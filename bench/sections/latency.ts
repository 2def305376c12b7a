/** What a gateway adds to latency when it is busy half the time. */
import { type Arrived, arrive } from "../arrivals.ts";
import { posted } from "../requests.ts";
import { fireAny, type Lane } from "../rounds.ts";
import type { Course, Section } from "../section.ts";
import { callLanes } from "../stage.ts";
import { rows, spread } from "../tables.ts";

const CONNECTIONS = 64;

type Pair = { readonly own: Arrived; readonly direct: Arrived };

/** Arrivals at half of what the lane serves at most, each round beside the same rate without anything between. */
async function atHalfLoad(lane: Lane, direct: Lane, course: Course): Promise<{ rate: number; pairs: readonly Pair[] }> {
  const { calls, seconds } = await fireAny({ ...lane, seconds: course.seconds }, lane.expect);
  const rate = calls / seconds / 2;
  const pairs: Pair[] = [];
  const ask = ({ url, shots }: Lane) =>
    arrive(course.directory, {
      url,
      requests: posted(url, shots),
      connections: CONNECTIONS,
      rate,
      seconds: course.seconds,
    });
  await ask(lane);
  for (let round = 0; round < course.rounds; round += 1) {
    const pair = { direct: await ask(direct), own: await ask(lane) };
    if (pair.own.failed + pair.own.refused > 0) throw new Error(`${lane.name}: ${JSON.stringify(pair.own)}`);
    pairs.push(pair);
    course.say(
      `round ${round + 1}, ${lane.name}: p99 ${pair.own.p99Ms.toFixed(2)} ms, direct ${pair.direct.p99Ms.toFixed(2)} ms`,
    );
  }
  return { rate, pairs };
}

export const latency: Section = {
  name: "latency",
  heading: "Latency at half load",
  async run(course) {
    const [direct, ...lanes] = callLanes(await course.stage(), { tool: "echo", connections: CONNECTIONS });
    if (direct === undefined) return "";
    const lines = [["through", "calls/s", "p50 ms", "p99 ms", "p50 added", "p99 added"]];
    for (const lane of lanes) {
      const { rate, pairs } = await atHalfLoad(lane, direct, course);
      const of = (pick: (pair: Pair) => number) => spread(pairs.map(pick), 2);
      lines.push([
        lane.name,
        rate.toFixed(0),
        of(({ own }) => own.p50Ms),
        of(({ own }) => own.p99Ms),
        of(({ own, direct }) => own.p50Ms - direct.p50Ms),
        of(({ own, direct }) => own.p99Ms - direct.p99Ms),
      ]);
    }
    return `tools/call with arrivals of a Poisson process at half of what each serves over ${CONNECTIONS} connections; a latency counts from the time at which the
request was due. "Added" is what the same arrivals without anything between did not take.

${rows(lines)}`;
  },
};

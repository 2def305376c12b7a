/** What a gateway costs that has nothing to do: how long it takes to be there, and the memory of sessions, streams and workers. */
import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { residentMiB, treeCpuSeconds } from "../../cli/load/processes.ts";
import { missing as missingPrograms, startPostgres } from "../../test/harness/daemons.ts";
import { ENGINES, type Engine, type Gateway, knowsEngine, openSessions, startGateway } from "../gateway.ts";
import type { Course, Section } from "../section.ts";
import { openStreams } from "../streams.ts";
import { rows, spread } from "../tables.ts";

/** Opened before anything is weighed: the first ones cost what all share. */
const WARM = 1000;
const STREAMS = 10_000;
const SESSIONS = WARM + STREAMS;
const STARTS = 5;
const MIB = 2 ** 20;
/** A gateway that nobody asks is quiet by then. */
const QUIET_MS = 2000;

type Started = { readonly gateway: Gateway; readonly seconds: number; readonly cpuSeconds: number };

async function timedStart(directory: string, engine: Engine, env: NodeJS.ProcessEnv): Promise<Started> {
  const began = performance.now();
  let readyAt = began;
  let cpuSeconds = Number.NaN;
  const gateway = await startGateway(directory, engine, env, (pid) => {
    readyAt = performance.now();
    cpuSeconds = treeCpuSeconds(pid) ?? Number.NaN;
  });
  return { gateway, seconds: (readyAt - began) / 1000, cpuSeconds };
}

/** Starts again and again on the same data; the first one, which makes it, apart. */
async function starts(directory: string, engine: Engine, env: NodeJS.ProcessEnv, count: number) {
  const all: Started[] = [];
  for (let index = 0; index <= count; index += 1) {
    const one = await timedStart(directory, engine, env);
    await one.gateway.part.stop();
    all.push(one);
  }
  const [first, ...further] = all.map(({ seconds, cpuSeconds }) => ({ seconds, cpuSeconds }));
  return { first, further };
}

async function startLines(directory: string, engine: Engine, rounds: number): Promise<readonly (readonly string[])[]> {
  const count = Math.min(rounds, STARTS);
  const lines: (readonly string[])[] = [];
  const add = async (title: string, env: NodeJS.ProcessEnv) => {
    const DATA_DIR = await mkdtemp(join(directory, "start-"));
    const { first, further } = await starts(directory, engine, { ...env, DATA_DIR }, count);
    lines.push([
      `${engine}, ${title}`,
      first?.seconds.toFixed(2) ?? "–",
      spread(
        further.map(({ seconds }) => seconds),
        2,
      ),
      spread(
        further.map(({ cpuSeconds }) => cpuSeconds),
        2,
      ),
    ]);
  };
  await add("embedded database", {});
  if (missingPrograms("postgres") !== undefined) return lines;
  const postgres = await startPostgres();
  try {
    await add("PostgreSQL beside it", { DATABASE_URL: postgres.url });
  } finally {
    await postgres.stop();
  }
  return lines;
}

function quiet(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, QUIET_MS));
}

async function resident({ pid }: Gateway): Promise<number> {
  await quiet();
  return residentMiB(pid).own;
}

const CONCURRENT = 16;

async function sessions({ origin, userToken }: Gateway, count: number): Promise<readonly string[]> {
  const each = Array.from({ length: CONCURRENT }, () => Math.ceil(count / CONCURRENT));
  return (await Promise.all(each.map((share) => openSessions(`${origin}/mcp`, userToken, share)))).flat();
}

/** KiB of each, from what memory grew by. */
function each(before: number, after: number, count: number): string {
  return (((after - before) * MIB) / count / 1024).toFixed(1);
}

async function memoryLines(directory: string, engine: Engine, course: Course): Promise<readonly (readonly string[])[]> {
  const one = await startGateway(directory, engine);
  try {
    const fresh = await resident(one);
    await sessions(one, SESSIONS);
    const warm = await resident(one);
    const held = await sessions(one, SESSIONS);
    const withSessions = await resident(one);
    course.say(`${engine}: ${fresh.toFixed(0)} MiB, ${warm.toFixed(0)} warm, ${withSessions.toFixed(0)} with sessions`);
    const [few, many] = [held.slice(0, WARM), held.slice(WARM, WARM + STREAMS)];
    const streams = await openStreams(`${one.origin}/mcp`, one.userToken, few);
    const withFew = await resident(one);
    const more = await openStreams(`${one.origin}/mcp`, one.userToken, many);
    const withMany = await resident(one);
    course.say(
      `${engine}: ${withFew.toFixed(0)} MiB with ${few.length} streams, ${withMany.toFixed(0)} with ${many.length} more`,
    );
    streams.close();
    more.close();
    return [
      [`${engine}, one worker without work`, `${fresh.toFixed(0)} MiB`],
      [
        `${engine}, each of ${SESSIONS} idle legacy sessions after as many`,
        `${each(warm, withSessions, held.length)} KiB`,
      ],
      [`${engine}, each of ${many.length} idle SSE streams`, `${each(withFew, withMany, many.length)} KiB`],
      [`${engine}, each further worker`, `${await furtherWorker(directory, engine)} MiB`],
    ];
  } finally {
    await one.part.stop();
  }
}

/** Of the processes that a gateway of several workers has beside those of one with the same database; shared pages count in each. */
async function furtherWorker(directory: string, engine: Engine): Promise<string> {
  const weighed: number[] = [];
  for (const WORKERS of ["2", "4"]) {
    const gateway = await startGateway(directory, engine, { WORKERS });
    await quiet();
    const { own, descendants } = residentMiB(gateway.pid);
    weighed.push(own + descendants);
    await gateway.part.stop();
  }
  const [two = Number.NaN, four = Number.NaN] = weighed;
  return ((four - two) / 2).toFixed(0);
}

export const standing: Section = {
  name: "standing",
  heading: "Start and memory",
  async run(course) {
    const { directory } = course;
    const engines = ENGINES.filter(knowsEngine);
    const startRows: (readonly string[])[] = [["", "first start, s", "every further start, s", "CPU s of it"]];
    const memoryRows: (readonly string[])[] = [["", "resident"]];
    for (const engine of engines) {
      startRows.push(...(await startLines(directory, engine, course.rounds)));
      memoryRows.push(...(await memoryLines(directory, engine, course)));
    }
    return `From the start of the process to its line that it is ready, one worker; the first start makes the database. CPU time includes the embedded
database's process. A session is its token, so what stays of an idle one is at most a place in a cache of bounded size; each of the
streams is the GET stream of a session of its own. Memory is resident memory of the gateway's process, without the embedded database.

${rows(startRows)}

${rows(memoryRows)}`;
  },
};

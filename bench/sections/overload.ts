/** Ten times what a gateway can serve, from clients that do not wait for each other: what it still serves, and what it says to the others. */

import { httpRequest } from "../../cli/load/messages.ts";
import { residentMiB, treeCpuSeconds } from "../../cli/load/processes.ts";
import { settingOf } from "../../contract/settings.ts";
import { type Arrived, arrive } from "../arrivals.ts";
import { type Engine, type Gateway, knowsEngine, openSessions, register, startGateway } from "../gateway.ts";
import { call, legacyShot, posted } from "../requests.ts";
import { fireAny } from "../rounds.ts";
import type { Course, Section } from "../section.ts";
import { median, rows } from "../tables.ts";
import { echoed, startUpstream, TEXT, type Upstream } from "../upstream.ts";

type Case = { readonly engine: Engine /** MAX_IN_FLIGHT; 0 is none. */; readonly cap: number };

const CASES: readonly Case[] = [
  { engine: "bounded", cap: 100 },
  { engine: "fastify", cap: 100 },
  { engine: "fastify", cap: 0 },
];
/** The tool waits 50 ms. Without a cap the connections to an upstream are the bound: as many, so that all have the same capacity. */
const AT_ONCE = 100;
const TIMES = 10;
const CONNECTIONS = 2000;
const HEALTH_PER_SECOND = 50;

type Overload = {
  readonly capacity: number;
  readonly arrived: Arrived;
  readonly health: Arrived;
  /** Share of its core that the gateway used. */
  readonly busy: number;
  /** Of the gateway's process, each second. */
  readonly mib: readonly number[];
};

async function overloaded(
  { origin, pid, userToken }: Gateway,
  upstream: Upstream,
  { directory, overloadSeconds: seconds }: Course,
): Promise<Overload> {
  const url = `${origin}/mcp`;
  const sessions = await openSessions(url, userToken, 16);
  const shots = sessions.map((session) => legacyShot(call("legacy__slow", TEXT), userToken, session));
  const calm = { url, shots, connections: AT_ONCE };
  await fireAny({ ...calm, seconds: 2 }, echoed(upstream));
  const { calls, failures, seconds: took } = await fireAny({ ...calm, seconds: 3 }, echoed(upstream));
  const capacity = (calls - failures) / took;
  const mib: number[] = [];
  const [cpu, began] = [treeCpuSeconds(pid) ?? Number.NaN, performance.now()];
  const timer = setInterval(() => mib.push(residentMiB(pid).own), 1000);
  const probe = httpRequest({ url: new URL(`${origin}/health`), token: undefined }, "GET", {});
  try {
    const [arrived, health] = await Promise.all([
      arrive(directory, {
        url,
        requests: posted(url, shots),
        connections: CONNECTIONS,
        rate: TIMES * capacity,
        seconds,
      }),
      arrive(directory, { url: origin, requests: [probe], connections: 8, rate: HEALTH_PER_SECOND, seconds }),
    ]);
    const busy = ((treeCpuSeconds(pid) ?? Number.NaN) - cpu) / ((performance.now() - began) / 1000);
    return { capacity, arrived, health, busy, mib };
  } finally {
    clearInterval(timer);
  }
}

const HEAD = [
  ...["engine, cap", "capacity/s", "arrivals/s", "served/s", "of capacity", "refused/s", "failed", "not sent"],
  ...[
    "served p50 / p99 ms",
    "refused p99 ms",
    "health p50 / p99 ms, failed",
    "of its core",
    "MiB after 1/4, at most, at the end",
  ],
];

function lineOf(
  { engine, cap }: Case,
  { capacity, arrived, health, busy, mib }: Overload,
  seconds: number,
): readonly string[] {
  const served = arrived.goodInTime / seconds;
  const quarter = mib.slice(Math.floor(mib.length / 4), Math.floor(mib.length / 4) + 3);
  return [
    `${engine}, ${cap === 0 ? "none" : cap}`,
    capacity.toFixed(0),
    (TIMES * capacity).toFixed(0),
    served.toFixed(0),
    `${((100 * served) / capacity).toFixed(0)} %`,
    (arrived.refused / seconds).toFixed(0),
    String(arrived.failed),
    String(arrived.unsent),
    `${arrived.p50Ms.toFixed(0)} / ${arrived.p99Ms.toFixed(0)}`,
    arrived.refused === 0 ? "–" : (arrived.refusedP99Ms?.toFixed(2) ?? "–"),
    `${health.p50Ms.toFixed(1)} / ${health.p99Ms.toFixed(1)}, ${health.failed + health.refused + health.unsent}`,
    busy.toFixed(2),
    `${median(quarter).toFixed(0)}, ${Math.max(...mib).toFixed(0)}, ${mib.at(-1)?.toFixed(0)}`,
  ];
}

async function oneCase(one: Case, upstream: Upstream, course: Course): Promise<readonly string[]> {
  const env = {
    MAX_IN_FLIGHT: String(one.cap),
    MAX_LOOP_DELAY: String(settingOf("MAX_LOOP_DELAY").default),
    UPSTREAM_CONNECTIONS: String(Math.max(one.cap, AT_ONCE)),
  };
  const gateway = await startGateway(course.directory, one.engine, env);
  try {
    await register(gateway, { name: "legacy", url: upstream.url("legacy") });
    const seen = await overloaded(gateway, upstream, course);
    course.say(`${one.engine}, cap ${one.cap}: ${JSON.stringify(seen)}`);
    return lineOf(one, seen, course.overloadSeconds);
  } finally {
    await gateway.part.stop();
  }
}

export const overload: Section = {
  name: "overload",
  heading: "Overload",
  async run(course) {
    const upstream = await startUpstream(course.directory);
    const lines: (readonly string[])[] = [HEAD];
    try {
      if (upstream.language !== "C") return "";
      for (const one of CASES) if (knowsEngine(one.engine)) lines.push(await oneCase(one, upstream, course));
    } finally {
      await upstream.stop();
    }
    return `A tool that takes 50 ms, ${AT_ONCE} calls at once: by the cap, or without one by the connections to the upstream. The capacity is what ${AT_ONCE} clients get
that wait for their answers; then ${TIMES} times as many calls arrive for ${course.overloadSeconds} s over ${CONNECTIONS} connections. "Served" are those answered before the end, "not
sent" those that found no free connection. \`/health\` is asked ${HEALTH_PER_SECOND} times a second by a process of its own.

${rows(lines)}`;
  },
};

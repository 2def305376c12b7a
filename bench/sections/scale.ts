/** Whether a call costs more where there are many upstreams, or many tools. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { residentMiB } from "../../cli/load/processes.ts";
import { ENGINES, type Engine, type Gateway, knowsEngine, openSessions, startGateway } from "../gateway.ts";
import { call, legacyShot } from "../requests.ts";
import { type Lane, type Measured, measure, type Round } from "../rounds.ts";
import type { Course, Section } from "../section.ts";
import { ratios, rows, spread } from "../tables.ts";
import { echoed, startUpstream, TEXT, type Upstream } from "../upstream.ts";

/** How many upstreams with how many tools each; which of them are called. */
type Size = {
  readonly title: string;
  readonly upstreams: number;
  readonly tools: number;
  readonly called: readonly string[];
};

/** Different calls that are sent in turn. */
const SPREAD = 128;
const SIZES: readonly Size[] = [
  { title: "1 upstream, 10 tools", upstreams: 1, tools: 10, called: ["bench-0__echo"] },
  {
    title: "1 000 upstreams, 10 tools each",
    upstreams: 1000,
    tools: 10,
    called: Array.from({ length: SPREAD }, (_, index) => `bench-${index * 7}__echo`),
  },
  {
    title: "100 upstreams, 1 000 tools each",
    upstreams: 100,
    tools: 1000,
    called: Array.from({ length: SPREAD }, (_, index) => `bench-${index % 100}__tool-${5 + index * 7}`),
  },
];

type Sized = { readonly size: Size; readonly gateway: Gateway; readonly lanes: readonly Lane[] };

/** A gateway whose upstreams are declared in a file: registering them one by one tells everybody of the change each time. */
async function furnish(
  engine: Engine,
  upstream: Upstream,
  size: Size,
  directory: string,
  course: Course,
): Promise<Sized> {
  const own = await mkdtemp(join(directory, "scale-"));
  const file = join(own, "mcp.json");
  const entries = upstream.ports
    .slice(0, size.upstreams)
    .map((port, index) => [`bench-${index}`, { type: "http", url: upstream.url("legacy", size.tools, port) }]);
  await writeFile(file, JSON.stringify({ mcpServers: Object.fromEntries(entries) }));
  const began = performance.now();
  const gateway = await startGateway(directory, engine, { MCP_CONFIG: file });
  course.say(`${size.title}: ready in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const url = `${gateway.origin}/mcp`;
  const [session] = await openSessions(url, gateway.userToken, 1);
  const lane = (name: string, called: readonly string[]): Lane => ({
    name,
    url,
    shots: called.map((tool) => legacyShot(call(tool, TEXT), gateway.userToken, session)),
    connections: 64,
    expect: echoed(upstream),
    pid: gateway.pid,
  });
  const one = lane(`${size.title}, one of them called`, size.called.slice(0, 1));
  return {
    size,
    gateway,
    lanes: size.called.length > 1 ? [one, lane(`${size.title}, many called`, size.called)] : [one],
  };
}

async function measureEngine(
  engine: Engine,
  directory: string,
  course: Course,
): Promise<readonly (readonly string[])[]> {
  const upstream = await startUpstream(directory, Math.max(...SIZES.map(({ upstreams }) => upstreams)));
  const gateways: Gateway[] = [];
  try {
    const sized: Sized[] = [];
    for (const size of SIZES) {
      const one = await furnish(engine, upstream, size, directory, course);
      gateways.push(one.gateway);
      sized.push(one);
    }
    const measured = await measure(
      sized.flatMap(({ lanes }) => lanes),
      { ...course, varied: false },
    );
    const base = sized[0]?.lanes[0]?.name ?? "";
    return sized.flatMap(({ gateway, lanes }) =>
      lanes.map(({ name }) => line(engine, name, base, measured, residentMiB(gateway.pid).own)),
    );
  } finally {
    for (const gateway of gateways) await gateway.part.stop();
    await upstream.stop();
  }
}

function line(engine: Engine, name: string, base: string, measured: Measured, mib: number): readonly string[] {
  const cpu = (lane: string) => (measured.get(lane) ?? []).map(({ cpuMsPerCall }: Round) => cpuMsPerCall);
  return [
    `${engine}, ${name}`,
    spread(
      cpu(name).flatMap((ms) => (ms === undefined ? [] : [ms * 1000])),
      1,
    ),
    spread(ratios(cpu(name), cpu(base)), 2),
    mib.toFixed(0),
  ];
}

export const scale: Section = {
  name: "scale",
  heading: "Many upstreams, many tools",
  async run(course) {
    const { upstream, directory } = await course.stage();
    if (upstream.language !== "C") return "";
    const lines: (readonly string[])[] = [["", "CPU µs per call", "of the first", "MiB resident"]];
    for (const engine of ENGINES)
      if (knowsEngine(engine)) lines.push(...(await measureEngine(engine, directory, course)));
    return `tools/call of legacy sessions over 64 connections. Each upstream has an origin of its own; "many called" are ${SPREAD} tools in turn, of as many
upstreams as there are.

${rows(lines)}`;
  },
};

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
  { title: "1 upstream, 10 tools", upstreams: 1, tools: 10, called: each((index) => `bench-0__${tool(index % 10)}`) },
  {
    title: "1 000 upstreams, 10 tools each",
    upstreams: 1000,
    tools: 10,
    called: each((index) => `bench-${index * 7}__${tool(index % 10)}`),
  },
  {
    title: "100 upstreams, 1 000 tools each",
    upstreams: 100,
    tools: 1000,
    called: each((index) => `bench-${index % 100}__${tool(index * 7)}`),
  },
];

function each(name: (index: number) => string): readonly string[] {
  return Array.from({ length: SPREAD }, (_, index) => name(index));
}

/** Those that are not answered like the others have names of their own; their places are taken by the first. */
function tool(index: number): string {
  return index < 5 ? "echo" : `tool-${index}`;
}

type Sized = { readonly gateway: Gateway; readonly lane: Lane };

/** A gateway whose upstreams are declared in a file: registering them one by one tells everybody of the change each time. */
async function furnish(engine: Engine, upstream: Upstream, size: Size, course: Course): Promise<Sized> {
  const own = await mkdtemp(join(course.directory, "scale-"));
  const file = join(own, "mcp.json");
  const entries = upstream.ports
    .slice(0, size.upstreams)
    .map((port, index) => [`bench-${index}`, { type: "http", url: upstream.url("legacy", size.tools, port) }]);
  await writeFile(file, JSON.stringify({ mcpServers: Object.fromEntries(entries) }));
  const began = performance.now();
  const gateway = await startGateway(course.directory, engine, { MCP_CONFIG: file });
  course.say(`${size.title}: ready in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const url = `${gateway.origin}/mcp`;
  const [session] = await openSessions(url, gateway.userToken, 1);
  return {
    gateway,
    lane: {
      name: size.title,
      url,
      shots: size.called.map((tool) => legacyShot(call(tool, TEXT), gateway.userToken, session)),
      connections: 64,
      expect: echoed(upstream),
      pid: gateway.pid,
    },
  };
}

async function measureEngine(engine: Engine, course: Course): Promise<readonly (readonly string[])[]> {
  const upstream = await startUpstream(course.directory, Math.max(...SIZES.map(({ upstreams }) => upstreams)));
  const gateways: Gateway[] = [];
  try {
    if (upstream.language !== "C") return [];
    const sized: Sized[] = [];
    for (const size of SIZES) {
      const one = await furnish(engine, upstream, size, course);
      gateways.push(one.gateway);
      sized.push(one);
    }
    const measured = await measure(
      sized.map(({ lane }) => lane),
      { ...course, varied: false },
    );
    const base = sized[0]?.lane.name ?? "";
    return sized.map(({ gateway, lane }) => line(engine, lane.name, base, measured, residentMiB(gateway.pid).own));
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
    const lines: (readonly string[])[] = [["", "CPU µs per call", "of the first", "MiB resident"]];
    for (const engine of ENGINES) if (knowsEngine(engine)) lines.push(...(await measureEngine(engine, course)));
    if (lines.length === 1) return "";
    return `tools/call of legacy sessions over 64 connections. Each upstream has an origin of its own; called are ${SPREAD} tools in turn, of as many
upstreams as there are.

${rows(lines)}`;
  },
};

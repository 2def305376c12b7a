/** tools/call: in both eras and with either kind of upstream, over few and many connections, with a small and a large result. */
import { call, modernShot } from "../requests.ts";
import { type Lane, measure } from "../rounds.ts";
import type { Section } from "../section.ts";
import { callLanes, legacyCalls, type Stage } from "../stage.ts";
import { missingNote, type Ratio, ratioTable } from "../tables.ts";
import { echoed, TEXT } from "../upstream.ts";

const CONNECTIONS = 64;

/** What callLanes() measures, under these names. */
function basicLines({ nginx, gateways }: Stage): readonly Ratio[] {
  const base = nginx === undefined ? undefined : "nginx";
  return ["direct", ...(base === undefined ? [] : [base]), ...gateways.map(({ engine }) => engine)].map((lane) => ({
    title: lane,
    lane,
    base,
  }));
}

type Extra = { readonly title: string; readonly lane: Lane };

/** What else a gateway does for the same call: the other era, an upstream with sessions, one of the other era. */
function extras({ upstream, gateways }: Stage): readonly Extra[] {
  const inC = upstream.language === "C";
  return gateways.flatMap((gateway) => {
    const common = { url: gateway.mcpUrl, connections: CONNECTIONS, expect: echoed(upstream), pid: gateway.pid };
    const extra = (title: string, shots: Lane["shots"]) => ({
      title: `${gateway.engine}, ${title}`,
      lane: { ...common, name: `${gateway.engine}, ${title}`, shots },
    });
    const modern = (name: string) => [modernShot(call(name, TEXT), gateway.userToken)];
    return [
      ...(inC ? [extra("upstream with sessions", legacyCalls(gateway, "session__echo"))] : []),
      ...(inC ? [extra("modern", modern("modern__echo"))] : []),
      extra("modern, legacy upstream", modern("legacy__echo")),
      ...(inC ? [extra("legacy, modern upstream", legacyCalls(gateway, "modern__echo"))] : []),
    ];
  });
}

export const calls: Section = {
  name: "calls",
  heading: "tools/call",
  async run(course) {
    const stage = await course.stage();
    const more = extras(stage);
    const basic = callLanes(stage, { tool: "echo", connections: CONNECTIONS });
    const measured = await measure([...basic, ...more.map(({ lane }) => lane)], course);
    const base = stage.nginx === undefined ? undefined : "nginx";
    const lines = [...basicLines(stage), ...more.map(({ title, lane }) => ({ title, lane: lane.name, base }))];
    return `A small answer (200 bytes) from an upstream in ${stage.upstream.language} over ${CONNECTIONS} keep-alive connections. Through a gateway with JWT
authentication of a caller who is no administrator, permissions, admission, metrics and, where nothing else is said, one of 16 legacy
sessions; the access log is off. "Of nginx" compares calls per second with the proxy on one core, "per core" CPU time per call.

${ratioTable(measured, lines)}${missingNote(stage.missing)}`;
  },
};

export const connections: Section = {
  name: "connections",
  heading: "Connections",
  async run(course) {
    const stage = await course.stage();
    const tables: string[] = [];
    for (const count of [1, 1000]) {
      const measured = await measure(callLanes(stage, { tool: "echo", connections: count }), course);
      tables.push(`${count} connection${count === 1 ? "" : "s"}:\n\n${ratioTable(measured, basicLines(stage))}`);
    }
    return `The call of the table above, of legacy sessions, over fewer and more connections. Over one connection there is one call at a time, and
what counts is latency.

${tables.join("\n\n")}`;
  },
};

export const large: Section = {
  name: "large",
  heading: "Large results",
  async run(course) {
    const stage = await course.stage();
    if (stage.upstream.language !== "C") return "";
    const measured = await measure(
      callLanes(stage, { tool: "large", connections: CONNECTIONS, expect: "b".repeat(60_000) }),
      course,
    );
    return `The same call answered with 64 KiB.

${ratioTable(measured, basicLines(stage))}`;
  },
};

/** Calls that are answered with a stream of events before the result. */
import { measure } from "../rounds.ts";
import type { Section } from "../section.ts";
import { callLanes } from "../stage.ts";
import { type Ratio, ratioTable } from "../tables.ts";
import { EVENTS } from "../upstream.ts";

export const events: Section = {
  name: "events",
  heading: "Events",
  async run(course) {
    const stage = await course.stage();
    const tools = stage.upstream.language === "C" ? ["events", "ticks"] : ["events"];
    const titles: Readonly<Record<string, string>> = { events: "at once", ticks: "one each 2 ms" };
    const lanes = tools.flatMap((tool) =>
      callLanes(stage, { tool, connections: tool === "events" ? 8 : 16 })
        .filter(({ pid }) => pid !== undefined)
        .map((lane) => ({ ...lane, name: `${lane.name}, ${tool}`, road: lane.name, tool })),
    );
    const measured = await measure(lanes, course);
    const lines: readonly Ratio[] = lanes.map(({ name, road, tool }) => ({
      title: `${road}, ${titles[tool]}`,
      lane: name,
      base: stage.nginx === undefined ? undefined : `nginx, ${tool}`,
      unitsPerCall: EVENTS + 1,
    }));
    return `Each call is answered with ${EVENTS} log messages as events of an SSE stream and the result as the last one; the gateway scans each, and keeps it
for a client that resumes. The upstream writes each event by itself: "at once" on 8 streams as fast as they are taken, so that several may
arrive together, and one each 2 ms on 16 streams, where each is read and sent alone.

${ratioTable(measured, lines, "events")}`;
  },
};

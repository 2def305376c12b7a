/** tools/call over HTTP/2, against nginx's own HTTP/2. */
import { type Lane, measure } from "../rounds.ts";
import type { Section } from "../section.ts";
import { callLanes } from "../stage.ts";
import { missingNote, ratioTable } from "../tables.ts";
import { fireH2load, hasH2load } from "../wrk.ts";

export const http2: Section = {
  name: "http2",
  heading: "HTTP/2",
  async run(course) {
    if (!hasH2load) {
      course.say("h2load (Debian's nghttp2-client) is not installed here");
      return "";
    }
    const stage = await course.stage();
    const { nginx } = stage;
    const missing: string[] = [];
    const lanes: Lane[] = [];
    for (const lane of callLanes(stage, { tool: "echo", connections: 64 })) {
      if (lane.pid === undefined) continue;
      const url =
        lane.name === "nginx" && nginx !== undefined ? nginx.http2Origin + new URL(lane.url).pathname : lane.url;
      // A look is enough where it speaks HTTP/1.1 alone.
      const { calls } = await fireH2load({ ...lane, url, seconds: 1 });
      if (calls > 0) lanes.push({ ...lane, url, checkUrl: lane.url });
      else missing.push(`HTTP/2 of ${lane.name}`);
    }
    const measured = await measure(lanes, { ...course, varied: false }, fireH2load);
    const lines = lanes.map(({ name }) => ({
      title: name,
      lane: name,
      base: nginx === undefined ? undefined : "nginx",
    }));
    return `tools/call in cleartext HTTP/2 with prior knowledge, 8 connections with 8 streams each, by h2load; the upstream is spoken to in HTTP/1.1.

${ratioTable(measured, lines)}${missingNote(missing)}`;
  },
};

/** tools/call over WebSockets. nginx has no work like it: the reference is its proxying of the same call over HTTP/1.1. */
import { type Fire, fireAny, type Lane, measure } from "../rounds.ts";
import type { Section } from "../section.ts";
import { fireSockets } from "../sockets.ts";
import { callLanes } from "../stage.ts";
import { ratioTable } from "../tables.ts";

const fireEither: Fire = (volley, expect) =>
  volley.url.startsWith("ws:") ? fireSockets(volley, expect) : fireAny(volley, expect);

export const websocket: Section = {
  name: "websocket",
  heading: "WebSocket",
  async run(course) {
    const stage = await course.stage();
    const lanes: readonly Lane[] = callLanes(stage, { tool: "echo", connections: 64 })
      .filter(({ pid }) => pid !== undefined)
      .map((lane) =>
        lane.name === "nginx"
          ? lane
          : { ...lane, checkUrl: lane.url, url: lane.url.replace(/^http(.*)\/mcp$/, "ws$1/ws") },
      );
    const measured = await measure(lanes, { ...course, varied: false }, fireEither);
    const base = stage.nginx === undefined ? undefined : "nginx";
    const lines = lanes.map(({ name }) => ({ title: name === "nginx" ? "nginx, HTTP/1.1" : name, lane: name, base }));
    return `tools/call over 64 WebSockets, each a session with one call at a time; from a generator in Node, which is what limits where its core is
busy all the time.

${ratioTable(measured, lines)}`;
  },
};

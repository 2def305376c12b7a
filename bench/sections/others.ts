/** tools/call through other gateways that are installed, on the same work as ours: an upstream that speaks over stdin and stdout. */
import { register } from "../gateway.ts";
import { startPeers } from "../peers.ts";
import { call, legacyShot } from "../requests.ts";
import { type Lane, measure } from "../rounds.ts";
import type { Section } from "../section.ts";
import { callLanes, legacyCalls } from "../stage.ts";
import { missingNote, ratioTable } from "../tables.ts";
import { echoed, TEXT } from "../upstream.ts";

const CONNECTIONS = 16;

export const others: Section = {
  name: "others",
  heading: "Other gateways",
  async run(course) {
    const stage = await course.stage();
    const { command } = stage.upstream;
    if (command === undefined) return "";
    const { peers, missing } = await startPeers(course.peers, command, CONNECTIONS);
    try {
      const common = { connections: CONNECTIONS, expect: echoed(stage.upstream) };
      const lanes: Lane[] = callLanes(stage, { tool: "echo", connections: CONNECTIONS }).filter(
        ({ name }) => name === "nginx",
      );
      for (const gateway of stage.gateways) {
        await register(gateway, { name: "piped", command });
        const shots = legacyCalls(gateway, "piped__echo");
        lanes.push({ ...common, name: gateway.engine, url: gateway.mcpUrl, shots, pid: gateway.pid });
      }
      for (const { name, url, part, sessions } of peers) {
        const shots = sessions.map((session) => legacyShot(call("echo", TEXT), undefined, session));
        lanes.push({ ...common, name, url, shots, pid: part.pid });
      }
      const measured = await measure(lanes, course);
      const lines = lanes.map(({ name }) => ({
        title: name === "nginx" ? "nginx, to the upstream's HTTP" : name,
        lane: name,
        base: stage.nginx === undefined ? undefined : "nginx",
      }));
      return `The same small answer over ${CONNECTIONS} connections and as many legacy sessions, from an upstream that speaks over stdin and stdout: the others here
translate between that and HTTP, and check no tokens. CPU time is that of a gateway with all of its children, the upstream's included.

${ratioTable(measured, lines)}${missingNote(missing)}`;
    } finally {
      for (const { part } of peers) await part.stop();
    }
  },
};

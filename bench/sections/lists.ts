/** tools/list of a short and a long list. */
import { openSessions, register, walk } from "../gateway.ts";
import { legacyShot, list } from "../requests.ts";
import { type Lane, measure } from "../rounds.ts";
import type { Section } from "../section.ts";
import { type Ratio, ratioTable } from "../tables.ts";

const LENGTHS = [100, 10_000];
const CONNECTIONS = 16;

export const lists: Section = {
  name: "lists",
  heading: "tools/list",
  async run(course) {
    const { upstream, nginx, gateways } = await course.stage();
    if (upstream.language !== "C") return "";
    const lanes: (Lane & { readonly perPage: number; readonly length: number; readonly road: string })[] = [];
    for (const length of LENGTHS) {
      const { pathname, search } = new URL(upstream.url("legacy", length));
      const add = async (
        road: string,
        url: string,
        token: string | undefined,
        session: string | undefined,
        pid: number,
      ) => {
        const shot = (cursor?: string) => legacyShot(list(cursor), token, session);
        const { cursors, items } = await walk(url, shot().headers);
        if (items !== length) throw new Error(`${road}: ${items} of ${length} tools are listed`);
        lanes.push({
          name: `${road}, ${length}`,
          road,
          length,
          url,
          shots: cursors.map(shot),
          connections: CONNECTIONS,
          expect: '"tools":[{',
          pid,
          perPage: length / cursors.length,
        });
      };
      if (nginx !== undefined)
        await add("nginx", nginx.origin + pathname + search, undefined, undefined, nginx.part.pid);
      for (const gateway of gateways) {
        const id = await register(gateway, { name: `list-${length}`, url: upstream.url("legacy", length) });
        const url = `${gateway.origin}/gateways/${id}/mcp`;
        const [session] = await openSessions(url, gateway.userToken, 1);
        await add(gateway.engine, url, gateway.userToken, session, gateway.pid);
      }
    }
    const measured = await measure(lanes, { ...course, varied: false });
    const lines: readonly Ratio[] = lanes.map(({ name, road, length, perPage }) => ({
      title: `${road}, ${length} tools in pages of ${perPage.toFixed(0)}`,
      lane: name,
      base: nginx === undefined ? undefined : `nginx, ${length}`,
      unitsPerCall: perPage,
    }));
    return `The list of one upstream, ${CONNECTIONS} connections. Lists are asked for live, and each tool is looked at.

${ratioTable(measured, lines, "tools")}`;
  },
};

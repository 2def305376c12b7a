/** Sessions that are known to this process, one after the other with new credentials. */
import { expect, it } from "vitest";
import type { Line } from "../../../gateway/upstreams/line.ts";
import { OpenLines } from "../../../gateway/upstreams/open-lines.ts";

const lineOf = (name: string) =>
  ({
    name,
    key: "k",
    target: { id: "up" },
    session: { sessionId: "s" },
    busy: 0,
    former: undefined,
  }) as unknown as Line & { readonly name: string };

it("keep of their former credentials those with requests within, and no others behind them", () => {
  const lines = new OpenLines({ maxTotal: 10, maxPerUpstream: 10 });
  const made = Array.from({ length: 5 }, (_, at) => lineOf(`line ${at}`));
  const former = (): string[] => {
    const names: string[] = [];
    for (let line = lines.get("k"); line !== undefined; line = line.former)
      names.push(made.find((one) => one === line)?.name ?? "");
    return names;
  };
  for (const line of made.slice(0, 4)) {
    lines.set(line);
    line.busy = 1;
  }
  expect(former()).toEqual(["line 3", "line 2", "line 1", "line 0"]);
  for (const at of [0, 2]) Object.assign(made[at] ?? {}, { busy: 0 });
  const last = made[4];
  if (last !== undefined) lines.set(last);
  expect(former()).toEqual(["line 4", "line 3", "line 1"]);
  for (const line of made) line.busy = 0;
  const free = lineOf("line 5");
  made.push(free);
  lines.set(free);
  expect([former(), lines.total]).toEqual([["line 5"], 1]);
});

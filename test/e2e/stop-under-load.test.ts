/** SIGTERM with calls, changes, lists and their records under way: what was acknowledged is in the database, counted. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import { callModern, type Gateway, register, rest, startGateway, temporaryDirectory } from "../harness/index.ts";

const on = {
  AUDIT_TRAIL_ENABLED: "true",
  AUDIT_TRAIL_CALLS: "true",
  METRICS_CACHE_ENABLED: "false",
  // Neither is written before the end, unless it is full.
  METRICS_BUFFER_FLUSH_INTERVAL: "300",
  METRICS_BUFFER_MAX_SIZE: "1000",
};
const ENOUGH = 60;
/** How a stopping gateway answers is not what is counted here. */
const quietly = <T>(work: Promise<T>) => work.catch(() => undefined);

let fixture: Everything;
beforeAll(async () => {
  fixture = await startEverything();
});
afterAll(async () => {
  await fixture?.close();
});

type Row = Readonly<Record<string, unknown>>;
const isRow = (value: unknown): value is Row => typeof value === "object" && value !== null;

/** All of them, page by page. */
async function rowsOf(gateway: Gateway, path: string): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (let cursor = ""; ; ) {
    const { status, body } = await rest(gateway, "GET", `${path}&limit=500${cursor}`);
    expect(status).toBe(200);
    rows.push(...(Array.isArray(body.rows) ? body.rows.filter(isRow) : []));
    if (typeof body.nextCursor !== "string") return rows;
    cursor = `&cursor=${encodeURIComponent(body.nextCursor)}`;
  }
}

describe.each(["fastify", "bounded"])("a gateway that is told to stop (%s)", (engine) => {
  it("has written every call and every change that it acknowledged", async () => {
    const directory = await temporaryDirectory();
    const env = { ...on, HTTP_SERVER: engine };
    const gateway = await startGateway({ env, dataDir: directory.path });
    const { id } = await register(gateway, { name: "load", url: fixture.url });
    let [answered, changed, stopping, gone] = [0, 0, false, false];
    void gateway.exited.then(() => {
      gone = true;
    });
    // A gateway that ends before it is told to would be asked for ever.
    const until = async (work: () => Promise<boolean>): Promise<void> => {
      while (((await work()) || !stopping) && !gone) {
        if (answered < ENOUGH || changed < 10 || stopping) continue;
        stopping = true;
        process.kill(gateway.pid, "SIGTERM");
      }
    };
    const caller = () =>
      until(async () => {
        const params = { name: "load__echo", arguments: { text: "x" } };
        const answer = await quietly(callModern(gateway, gateway.mcpUrl, 1, "tools/call", params));
        const isAnswered = answer?.status === 200 && answer.text.includes('"result"');
        if (isAnswered) answered++;
        return isAnswered;
      });
    const changer = () =>
      until(async () => {
        const answer = await quietly(rest(gateway, "PATCH", `/gateways/${id}`, { description: `change ${changed}` }));
        if (answer?.status === 200) changed++;
        return answer?.status === 200;
      });
    try {
      await Promise.all([...Array.from({ length: 8 }, caller), changer(), changer()]);
      expect([stopping, await gateway.exited]).toEqual([true, 0]);
      expect(gateway.stderr()).not.toMatch(/"level":"(warn|error)"/);
      const after = await startGateway({ env, dataDir: directory.path });
      try {
        const calls = await rowsOf(after, "/admin/audit?action=tools/call");
        expect(calls.map(({ outcome, resourceId }) => `${resourceId} ${outcome}`)).toEqual(
          Array.from({ length: answered }, () => "load/echo ok"),
        );
        const changes = await rowsOf(after, "/admin/audit?action=gateways.patch");
        expect(changes.filter(({ outcome }) => outcome === "ok").length).toBe(changed);
        const top = await rest(after, "GET", "/admin/metrics/top?kind=tool");
        expect(top.body.rows).toEqual([expect.objectContaining({ name: "echo", calls: answered, failures: 0 })]);
        const verdict = await rest(after, "GET", "/admin/audit/verify");
        expect(verdict.body).toMatchObject({ ok: true, broken: [] });
      } finally {
        await after.stop();
      }
    } finally {
      await gateway.stop();
      await directory.remove();
    }
  });
});

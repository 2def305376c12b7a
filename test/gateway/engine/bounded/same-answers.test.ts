/** Mutated requests over real sockets to both engines: whoever reads them, the application is asked the same and the peer told the same. */
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { engineStarter, rawConnection } from "../harness.ts";
import { Chance, mutated } from "./mutations.ts";

const engines = engineStarter();
afterEach(() => engines.closeAll());

const CASES = 400;
const CUT_CASES = 8;
const MAX_CUTS = 500;
const PART_MS = 10;
/** Fewer connections than the queue of a listener holds. */
const AT_ONCE = 80;
/** The strict reader gives it away: it knows no chunks. */
const CHUNKED = Buffer.from(
  "GET /one HTTP/1.1\r\nHost: h\r\n\r\nPOST /two HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
);
const END = Buffer.from("GET /end HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
/** What is cut off ends by these. */
const TIMEOUTS = { headTimeoutMs: 1500, bodyTimeoutMs: 1500, keepAliveMs: 1500, maxHeadBytes: 16 * 1024 };

/** Status lines, and what the application was given; not the fields about the connection, in which the engines differ. */
function essence(answers: string): string[] {
  return answers.match(/HTTP\/1\.1 \d+|\{"method".*?"body":"(?:[^"\\]|\\.)*"\}/g) ?? [];
}

function served(answers: readonly string[]): string[] {
  return answers.filter((answer) => answer.startsWith("{"));
}

describe("the applications of both engines", () => {
  it("are asked the same by mutated requests", async () => {
    const chance = new Chance(52);
    const cases = Array.from({ length: CASES }, () => mutated(chance));
    const [fastify, bounded] = await Promise.all([
      engines.start("fastify", TIMEOUTS),
      engines.start("bounded", TIMEOUTS),
    ]);
    const told = (port: number) =>
      Promise.all(cases.map(async (bytes) => essence(await (await rawConnection(port, bytes)).closed)));
    const [said, expected] = await Promise.all([told(bounded.port), told(fastify.port)]);
    // node:http drops what it has not answered yet when something behind it is wrong: then the list of the bounded engine goes on.
    const common = said.map((answers, at) => served(answers).slice(0, served(expected[at] ?? []).length));
    expect(common).toEqual(expected.map(served));
    // Where nothing is refused or given up, both say the same to the end.
    const isClean = (answers: readonly string[] = []) => answers.every((answer) => /^(HTTP\/1\.1 2|\{)/.test(answer));
    const isAtEnd = (at: number) => isClean(said[at]) && isClean(expected[at]) && !/CONNECT/.test(String(cases[at]));
    const clean = [...cases.keys()].filter(isAtEnd);
    expect(clean.length).toBeGreaterThan(CASES / 4);
    expect(clean.map((at) => said[at])).toEqual(clean.map((at) => expected[at]));
    expect(bounded.application.inside).toBe(0);
  });

  it("are asked the same wherever the bytes are cut", async () => {
    const chance = new Chance(7);
    const [fastify, bounded] = await Promise.all([
      engines.start("fastify", TIMEOUTS),
      engines.start("bounded", TIMEOUTS),
    ]);
    const inTwo = async (bytes: Buffer, cut: number) => {
      const { socket, closed } = await rawConnection(bounded.port);
      socket.setNoDelay();
      socket.write(bytes.subarray(0, cut));
      // Not in the read in which the first part is.
      await pause(PART_MS);
      socket.write(bytes.subarray(cut));
      return essence(await closed);
    };
    for (let cases = 0; cases < CUT_CASES; ) {
      const bytes = Buffer.concat([cases === 0 ? CHUNKED : mutated(chance), END]);
      const expected = essence(await (await rawConnection(fastify.port, bytes)).closed);
      // One that is served to its end, of which no time is lost by waiting for more.
      if (expected.at(-1)?.includes('"path":"/end"') !== true || bytes.length > MAX_CUTS) continue;
      cases++;
      for (let from = 0; from < bytes.length; from += AT_ONCE) {
        const cuts = Array.from({ length: Math.min(AT_ONCE, bytes.length - from) }, (_, at) => from + at);
        const answers = await Promise.all(cuts.map((cut) => inTwo(bytes, cut)));
        expect(answers).toEqual(cuts.map(() => expected));
      }
    }
    expect(bounded.application.inside).toBe(0);
  });
});

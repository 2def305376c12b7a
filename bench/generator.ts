/**
 * Our own load generator in a process of its own, so that it can be kept on its own core: an order on stdin, one JSON line on stdout. It
 * reads every answer, and can send at a rate, which wrk cannot.
 */
import { text } from "node:stream/consumers";
import { systemClock } from "../cli/load/clock.ts";
import { generate, type Load } from "../cli/load/generator.ts";
import { SocketLink } from "../cli/load/link.ts";
import { BESIDE, firstJson, start } from "./machine.ts";
import type { Counted } from "./wrk.ts";

export type LoadOrder = {
  readonly url: string;
  /** Requests as HTTP text, sent in turn. */
  readonly requests: readonly string[];
  readonly load: Load;
  /** Has to stand in every answer. */
  readonly expect: string;
};

export type LoadReport = Counted & {
  /** Answers with HTTP 503, which are among the failures. */
  readonly refused: number;
  /** Good answers before the end. */
  readonly goodInTime: number;
  readonly unsent: number;
  readonly firstFailure: string | undefined;
};

/** Carries an order out in a process beside the one under test. */
export async function fire(order: LoadOrder): Promise<LoadReport> {
  const part = start(BESIDE, process.execPath, [import.meta.filename]);
  part.child.stdin?.end(JSON.stringify(order));
  const report: LoadReport = JSON.parse(JSON.stringify(await firstJson(part)));
  await part.stop();
  return report;
}

async function carryOut(order: LoadOrder): Promise<LoadReport> {
  const url = new URL(order.url);
  const expected = Buffer.from(order.expect);
  const questions = order.requests.map((request) => ({
    text: request,
    failureOf: ({ status, body }: { readonly status: number; readonly body: Buffer }) =>
      status === 200 && body.includes(expected) ? undefined : `HTTP ${status}`,
  }));
  let at = 0;
  const ask = () => {
    at = (at + 1) % questions.length;
    const question = questions[at];
    if (question === undefined) throw new RangeError("no request was given");
    return question;
  };
  const began = performance.now();
  const { tally, ending } = await generate(
    order.load,
    { clock: systemClock, random: Math.random, ask, open: () => new SocketLink({ url, timeoutMs: 30_000 }) },
    new AbortController().signal,
  );
  if (ending.how === "gone") throw new Error(`${order.url} cannot be reached: ${ending.why}`);
  return {
    calls: tally.requests,
    failures: tally.failed,
    refused: tally.shed,
    goodInTime: tally.goodInTime,
    unsent: tally.unsent,
    // Until the last answer, because all of them are counted.
    seconds: (performance.now() - began) / 1000,
    p50Ms: tally.latency.percentile(0.5),
    p99Ms: tally.latency.percentile(0.99),
    bytes: undefined,
    firstFailure: tally.firstFailure,
  };
}

if (import.meta.main) {
  const order: LoadOrder = JSON.parse(await text(process.stdin));
  process.stdout.write(`${JSON.stringify(await carryOut(order))}\n`);
}

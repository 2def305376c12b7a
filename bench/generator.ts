/** The load generator in a process of its own, so that it can be kept on its own core: an order on stdin, one JSON line on stdout. */
import { text } from "node:stream/consumers";
import { systemClock } from "../cli/load/clock.ts";
import { generate } from "../cli/load/generator.ts";
import { SocketLink } from "../cli/load/link.ts";
import { httpRequest } from "../cli/load/messages.ts";

export type LoadOrder = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly connections: number;
  readonly seconds: number;
  /** Has to stand in every answer. */
  readonly expect: string;
};

export type LoadReport = {
  readonly calls: number;
  readonly failures: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly firstFailure?: string;
};

async function carryOut(order: LoadOrder): Promise<LoadReport> {
  const url = new URL(order.url);
  const expected = Buffer.from(order.expect);
  const question = {
    text: httpRequest({ url, token: undefined }, "POST", order.headers, order.body),
    failureOf: ({ body }: { readonly body: Buffer }) => (body.includes(expected) ? undefined : "another answer"),
  };
  const began = performance.now();
  const { tally, ending } = await generate(
    { kind: "closed", connections: order.connections, seconds: order.seconds },
    {
      clock: systemClock,
      random: Math.random,
      ask: () => question,
      open: () => new SocketLink({ url, timeoutMs: 30_000 }),
    },
    new AbortController().signal,
  );
  if (ending.how === "gone") throw new Error(`${order.url} cannot be reached: ${ending.why}`);
  return {
    calls: tally.requests,
    failures: tally.failed,
    // Until the last answer, because all of them are counted.
    seconds: (performance.now() - began) / 1000,
    p50Ms: tally.latency.percentile(0.5),
    p99Ms: tally.latency.percentile(0.99),
    ...(tally.firstFailure === undefined ? {} : { firstFailure: tally.firstFailure }),
  };
}

if (import.meta.main) {
  const order: LoadOrder = JSON.parse(await text(process.stdin));
  process.stdout.write(`${JSON.stringify(await carryOut(order))}\n`);
}

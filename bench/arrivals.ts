/** Arrivals at a rate, by the program in C, or where there is no compiler by our own generator. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fire } from "./generator.ts";
import { BESIDE, output, start } from "./machine.ts";
import { compiled } from "./native.ts";

export type Arrivals = {
  readonly url: string;
  /** As HTTP text. */
  readonly requests: readonly string[];
  readonly connections: number;
  /** Per second. */
  readonly rate: number;
  readonly seconds: number;
};

export type Arrived = {
  /** Answered with 200, and with 503. */
  readonly good: number;
  /** Of the good ones, those answered before the end. */
  readonly goodInTime: number;
  readonly refused: number;
  /** Anything else, lost connections among them. */
  readonly failed: number;
  /** Arrivals that found no free connection before the end. */
  readonly unsent: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Undefined where nothing tells refused ones apart. */
  readonly refusedP99Ms: number | undefined;
};

/** `directory`: where the program is, or is compiled to. */
export async function arrive(directory: string, arrivals: Arrivals): Promise<Arrived> {
  const program = await compiled(directory, "arrivals");
  if (program === undefined) return byNode(arrivals);
  const { url, requests, connections, rate, seconds } = arrivals;
  const file = join(await mkdtemp(join(directory, "requests-")), "requests");
  await writeFile(file, requests.map((request) => `${request}\0`).join(""));
  const numbers = [new URL(url).port, connections, rate.toFixed(1), seconds].map(String);
  return JSON.parse(await output(start(BESIDE, program, [...numbers, file])));
}

async function byNode({ url, requests, connections, rate, seconds }: Arrivals): Promise<Arrived> {
  const load = { kind: "open", rps: rate, connections, seconds } as const;
  const { calls, failures, goodInTime, refused, unsent, p50Ms, p99Ms } = await fire({
    url,
    requests,
    load,
    expect: "",
  });
  return {
    good: calls - failures,
    goodInTime,
    refused,
    failed: failures - refused,
    unsent,
    p50Ms: p50Ms ?? Number.NaN,
    p99Ms: p99Ms ?? Number.NaN,
    refusedP99Ms: undefined,
  };
}

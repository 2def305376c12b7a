/**
 * The strict reader of the bounded engine against node:http on mutated bytes: `node bench/fuzz-reader.ts --cases 1000000 [--seed N]`.
 * Any disagreement about an accepted request would be a way to smuggle requests: it is printed, and the exit code is 1.
 */
import { setImmediate as turn } from "node:timers/promises";
import { parseArgs } from "node:util";
import { runCases } from "../test/gateway/engine/bounded/differential.ts";

const MAX_SHOWN = 20;

function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new Error(`--${name} is ${text}, it has to be a whole number`);
}

const { values } = parseArgs({
  options: { cases: { type: "string", default: "1000000" }, seed: { type: "string" } },
});
const cases = wholeNumber("cases", values.cases);
const seed = values.seed === undefined ? Date.now() % 2 ** 32 : wholeNumber("seed", values.seed);

const { disagreements, ...counts } = await runCases(cases, seed, turn);
for (const disagreement of disagreements.slice(0, MAX_SHOWN)) process.stdout.write(`${disagreement}\n`);
process.stdout.write(
  `seed ${seed}: ${counts.cases} cases, ${counts.accepted} requests accepted, ${counts.handedOver} cases handed over, ` +
    `${counts.unfinished} unfinished, ${disagreements.length} disagreements\n`,
);
process.exitCode = disagreements.length === 0 ? 0 : 1;

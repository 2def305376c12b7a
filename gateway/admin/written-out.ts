/**
 * The audit trail as lines of JSON, to be kept elsewhere: for each chain its name with the anchor (once more where it begins again), then its
 * rows; the last line is signed over all before it, so that a file that was cut off shows.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { type ChainKeys, isEnd, type Signature, signEnd } from "../telemetry/index.ts";
import { type AuditReads, chainOf, type Head, TrailReader, type Verdict, writersOf } from "./verify.ts";

const anchor = z.strictObject({
  writer: z.string(),
  sequence: z.int(),
  hash: z.string(),
  keyId: z.string(),
  mac: z.string(),
});
const row = z.strictObject({
  id: z.string().optional(),
  writer: z.string(),
  sequence: z.int(),
  at: z.number(),
  correlationId: z.string(),
  principal: z.string(),
  principalKind: z.string(),
  tokenId: z.string().nullable(),
  remote: z.string(),
  method: z.string(),
  action: z.string(),
  resourceType: z.string(),
  resourceId: z.string().nullable(),
  status: z.int(),
  outcome: z.string(),
  change: z.string().nullable(),
  dropped: z.int(),
  keyId: z.string(),
  previous: z.string(),
  hash: z.string(),
});
const end = z.strictObject({ rows: z.int(), digest: z.string(), keyId: z.string(), mac: z.string() });
const line = z.union([
  z.strictObject({ chain: z.string(), anchor: anchor.nullable() }),
  z.strictObject({ row }),
  z.strictObject({ end }),
]);

/** Lines without their line feeds. */
export async function* writtenOut(records: AuditReads, keys: ChainKeys, only?: string): AsyncGenerator<string> {
  const digest = createHash("sha256");
  let rows = 0;
  const say = (value: z.infer<typeof line>): string => {
    const text = onOneLine(JSON.stringify(value));
    digest.update(text).update("\n");
    return text;
  };
  for await (const writer of writersOf(records, only)) {
    for await (const part of chainOf(records, keys, writer)) {
      if ("row" in part) rows++;
      yield say("row" in part ? part : { chain: writer, anchor: part.anchor ?? null });
    }
  }
  yield JSON.stringify({ end: signEnd(keys, { rows, digest: digest.digest("hex") }) });
}

/** What `writtenOut` wrote. Throws RangeError with the number of a line that is none of it. */
export async function verifyWrittenOut(
  lines: AsyncIterable<string>,
  keys: ChainKeys,
): Promise<Verdict & { readonly heads: readonly Head[] }> {
  const trail = new TrailReader(keys);
  const digest = createHash("sha256");
  let [number, rows, chain] = [0, 0, ""];
  let ended: ({ readonly rows: number; readonly digest: string } & Signature) | undefined;
  let isWhole = true;
  for await (const text of lines) {
    const found = lineOf(text, ++number);
    // Nothing follows the end.
    isWhole &&= ended === undefined;
    if ("end" in found) {
      ended = found.end;
      continue;
    }
    digest.update(text).update("\n");
    if ("chain" in found) {
      chain = found.chain;
      trail.begin(chain, found.anchor ?? undefined);
    } else {
      rows++;
      const { id, ...rest } = found.row;
      trail.read(id === undefined ? rest : { ...rest, id });
    }
  }
  const verdict = trail.verdict();
  const isSigned =
    isWhole &&
    ended !== undefined &&
    ended.rows === rows &&
    ended.digest === digest.digest("hex") &&
    isEnd(keys, ended);
  if (isSigned) return verdict;
  const reason = ended === undefined ? "the file was cut off: it has no end" : "the file is not what was written";
  return { ...verdict, ok: false, broken: [...verdict.broken, { writer: chain, sequence: rows, reason }] };
}

/** JSON leaves U+2028 and U+2029 as they are, at which many readers of lines begin another one. */
function onOneLine(json: string): string {
  return json.replace(/[\u2028\u2029]/g, (separator) => (separator === "\u2028" ? "\\u2028" : "\\u2029"));
}

function lineOf(text: string, number: number): z.infer<typeof line> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = line.safeParse(value);
  if (!parsed.success) throw new RangeError(`line ${number} is no line of an audit trail that was written out`);
  return parsed.data;
}

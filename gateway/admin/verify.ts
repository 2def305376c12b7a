/** Whether the audit trail is what was written: every chain from its beginning, or from where older rows were dropped. */
import type { RecordRepository } from "../store/index.ts";
import { type ChainKeys, ChainReader, isAnchor } from "../telemetry/index.ts";

/** Rows and writers of one look. */
const STEP = 1000;
/** Broken chains that are named. */
const MAX_BROKEN = 100;

type BrokenChain = { readonly writer: string; readonly sequence: number; readonly reason: string };
export type Verdict = {
  readonly ok: boolean;
  readonly writers: number;
  readonly rows: number;
  /** The first link that does not hold, of each chain that does not. */
  readonly broken: readonly BrokenChain[];
};

type Reads = Pick<RecordRepository, "auditWriters" | "auditChain" | "auditAnchor">;

async function verifyChain(
  records: Reads,
  keys: ChainKeys,
  writer: string,
): Promise<{ readonly rows: number; readonly broken?: BrokenChain }> {
  const anchor = await records.auditAnchor(writer);
  if (anchor !== undefined && !isAnchor(keys, anchor))
    return { rows: 0, broken: { writer, sequence: anchor.sequence, reason: "the anchor of dropped rows is not ours" } };
  const reader = new ChainReader(keys, anchor);
  let rows = 0;
  for (;;) {
    const step = await records.auditChain(writer, reader.sequence, STEP);
    for (const row of step) {
      const broken = reader.read(row);
      if (broken !== undefined) return { rows, broken: { writer, ...broken } };
      rows++;
    }
    if (step.length < STEP) return { rows };
  }
}

/** `only`: one chain. Behind the end of a chain there is nothing that would tell of rows cut off there. */
export async function verifyChains(records: Reads, keys: ChainKeys, only?: string): Promise<Verdict> {
  const broken: BrokenChain[] = [];
  let [writers, rows, after] = [0, 0, ""];
  for (;;) {
    const names = only === undefined ? await records.auditWriters(after, STEP) : [only];
    for (const writer of names) {
      const chain = await verifyChain(records, keys, writer);
      writers++;
      rows += chain.rows;
      if (chain.broken !== undefined && broken.length < MAX_BROKEN) broken.push(chain.broken);
      after = writer;
    }
    if (only !== undefined || names.length < STEP) return { ok: broken.length === 0, writers, rows, broken };
  }
}

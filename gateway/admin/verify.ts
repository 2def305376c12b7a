/** Whether the audit trail is what was written: every chain from its beginning, or from where older rows were dropped. */
import type { AuditRow, RecordRepository } from "../store/index.ts";
import { type Anchor, type ChainKeys, ChainReader, isAnchor } from "../telemetry/index.ts";

/** Rows and writers of one look. */
const STEP = 1000;
/** Broken chains that are named. */
const MAX_BROKEN = 100;

export type BrokenChain = {
  readonly writer: string;
  readonly sequence: number;
  /** Of the row that does not hold; of a missing one, the row that follows. Absent where there is none. */
  readonly id?: string;
  readonly reason: string;
};
export type Verdict = {
  readonly ok: boolean;
  readonly writers: number;
  readonly rows: number;
  /** The first link that does not hold, of each chain that does not. */
  readonly broken: readonly BrokenChain[];
};

/** Where a chain ended when it was looked at. */
export type Head = { readonly writer: string; readonly sequence: number; readonly hash: string };

export type AuditReads = Pick<RecordRepository, "auditWriters" | "auditChain" | "auditAnchor">;

/**
 * What comes of a trail, wherever it is read from: for each chain `begin`, then its rows in their order. A chain that begins again, at
 * an anchor, had older rows dropped while it was read.
 */
export class TrailReader {
  readonly #keys: ChainKeys;
  readonly #broken: BrokenChain[] = [];
  readonly #heads: Head[] = [];
  readonly #since: ReadonlyMap<string, Head>;
  #chain: { readonly writer: string; readonly reader: ChainReader; isBroken: boolean } | undefined;
  #writers = 0;
  #rows = 0;

  /** `since`: heads of an earlier look. A chain that ends before its one has lost its end since. */
  constructor(keys: ChainKeys, since: readonly Head[] = []) {
    this.#keys = keys;
    this.#since = new Map(since.map((head) => [head.writer, head]));
  }

  begin(writer: string, anchor: Anchor | undefined): void {
    const again = this.#chain?.writer === writer ? this.#chain : undefined;
    if (again === undefined) {
      this.#end();
      this.#writers++;
    }
    this.#chain = { writer, reader: new ChainReader(this.#keys, anchor), isBroken: again?.isBroken ?? false };
    if (anchor !== undefined && !isAnchor(this.#keys, anchor))
      this.#break({ writer, sequence: anchor.sequence, reason: "the anchor of dropped rows is not ours" });
  }

  /** False once the chain is broken: what follows says nothing more. */
  read(row: AuditRow & { readonly id?: string }): boolean {
    const chain = this.#chain;
    if (chain === undefined || chain.isBroken) return false;
    const broken = chain.reader.read(row);
    if (broken !== undefined) {
      this.#break({ writer: chain.writer, ...broken, ...(row.id === undefined ? {} : { id: row.id }) });
      return false;
    }
    this.#rows++;
    const head = this.#since.get(chain.writer);
    if (head?.sequence === row.sequence && head.hash !== row.hash) {
      this.#break({
        ...idOf(row),
        writer: chain.writer,
        sequence: row.sequence,
        reason: "it is another row than before",
      });
      return false;
    }
    return true;
  }

  verdict(): Verdict & { readonly heads: readonly Head[] } {
    this.#end();
    const heads = [...this.#heads];
    const broken = [...this.#broken];
    return { ok: broken.length === 0, writers: this.#writers, rows: this.#rows, broken, heads };
  }

  /** Chains of the earlier look that nothing was read of: they were cut off whole, unless `dropped` says that they were dropped. */
  missing(seen: ReadonlySet<string>, dropped: ReadonlySet<string>): void {
    this.#end();
    for (const { writer, sequence } of this.#since.values())
      if (!seen.has(writer) && !dropped.has(writer))
        this.#break({ writer, sequence, reason: `the chain is gone, its row ${sequence} was there before` });
  }

  #break(broken: BrokenChain): void {
    if (this.#chain !== undefined) this.#chain.isBroken = true;
    if (this.#broken.length < MAX_BROKEN) this.#broken.push(broken);
  }

  #end(): void {
    const chain = this.#chain;
    if (chain === undefined) return;
    const { writer, reader } = chain;
    const before = this.#since.get(writer);
    if (!chain.isBroken && before !== undefined && reader.sequence < before.sequence)
      this.#break({
        writer,
        sequence: reader.sequence + 1,
        reason: `the chain ends before row ${before.sequence}, which was there before`,
      });
    if (reader.sequence > 0) this.#heads.push({ writer, sequence: reader.sequence, hash: reader.hash });
    this.#chain = undefined;
  }
}

const idOf = ({ id }: { readonly id?: string }) => (id === undefined ? {} : { id });

/** Writers of the trail's chains, in the order of their names. */
export async function* writersOf(records: AuditReads, only?: string): AsyncGenerator<string> {
  for (let after = ""; ; ) {
    const names = only === undefined ? await records.auditWriters(after, STEP) : [only];
    yield* names;
    after = names.at(-1) ?? after;
    if (only !== undefined || names.length < STEP) return;
  }
}

export type ChainPart = { readonly anchor: Anchor | undefined } | { readonly row: AuditRow };

/**
 * One chain: what it begins with, then its rows in their order. Each look is a statement of its own: where older rows were dropped between
 * two of them, the chain begins again, at the anchor of ours that was left for them.
 */
export async function* chainOf(records: AuditReads, keys: ChainKeys, writer: string): AsyncGenerator<ChainPart> {
  const anchor = await records.auditAnchor(writer);
  yield { anchor };
  for (let sequence = anchor?.sequence ?? 0; ; ) {
    const step = await records.auditChain(writer, sequence, STEP);
    const later = step[0]?.sequence === sequence + 1 ? undefined : await records.auditAnchor(writer);
    if (later !== undefined && later.sequence > sequence && isAnchor(keys, later)) {
      yield { anchor: later };
      sequence = later.sequence;
      continue;
    }
    for (const row of step) yield { row };
    sequence = step.at(-1)?.sequence ?? sequence;
    if (step.length < STEP) return;
  }
}

/** `only`: one chain. Behind the end of a chain there is nothing that would tell of rows cut off there. */
export async function verifyChains(records: AuditReads, keys: ChainKeys, only?: string): Promise<Verdict> {
  const { heads: _, ...verdict } = await readTrail(records, keys, [], only);
  return verdict;
}

/** The same, with the ends of all chains, to be compared with what is there later: `since` are those of an earlier look. */
export async function readTrail(
  records: AuditReads,
  keys: ChainKeys,
  since: readonly Head[] = [],
  only?: string,
): Promise<Verdict & { readonly heads: readonly Head[] }> {
  const trail = new TrailReader(keys, since);
  const seen = new Set<string>();
  for await (const writer of writersOf(records, only)) {
    seen.add(writer);
    for await (const part of chainOf(records, keys, writer)) {
      if ("anchor" in part) trail.begin(writer, part.anchor);
      else if (!trail.read(part.row)) break;
    }
  }
  trail.missing(seen, await droppedWhole(records, keys, since, seen));
  return trail.verdict();
}

/** Chains of which only an anchor of ours is left, at or behind the earlier end. */
async function droppedWhole(
  records: AuditReads,
  keys: ChainKeys,
  since: readonly Head[],
  seen: ReadonlySet<string>,
): Promise<ReadonlySet<string>> {
  const dropped = new Set<string>();
  for (const { writer, sequence } of since) {
    if (seen.has(writer)) continue;
    const anchor = await records.auditAnchor(writer);
    if (anchor !== undefined && anchor.sequence >= sequence && isAnchor(keys, anchor)) dropped.add(writer);
  }
  return dropped;
}

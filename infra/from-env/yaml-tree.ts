/** Walks a YAML document with its lines: aliases and merge keys are followed, and nothing is trusted to be of a kind. */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, Scalar } from "yaml";
import type { FileProblem } from "./source.ts";

/** A node with the line it begins on, from 1. */
export type Spot = { readonly node: unknown; readonly line: number };

/** Merges within merges; a document that merges itself ends here. */
const MAX_DEPTH = 8;

export class YamlTree {
  readonly problems: readonly FileProblem[];
  readonly #document: Document.Parsed | undefined;
  readonly #lines = new LineCounter();

  constructor(text: string) {
    const problems: FileProblem[] = [];
    try {
      this.#document = parseDocument(text, { lineCounter: this.#lines, uniqueKeys: false, logLevel: "silent" });
      // The parser's own messages quote the text; its codes do not.
      const found = new Map(
        this.#document.errors.map(({ pos, code }) => {
          const line = this.#lineAt(pos[0]);
          return [`${line} ${code}`, { line, message: `not YAML: ${code.toLowerCase().replaceAll("_", " ")}` }];
        }),
      );
      problems.push(...found.values());
    } catch (error) {
      // The parser recurses; only the depth of a hostile file gets it here.
      if (!(error instanceof RangeError)) throw error;
      problems.push({ line: 1, message: "nested too deeply to be read" });
    }
    this.problems = problems;
  }

  get root(): Spot {
    return { node: this.#document?.contents, line: 1 };
  }

  /** Keys and values of a mapping, merged ones included; empty for anything else. Of two equal keys the last counts. */
  entriesOf(spot: Spot | undefined, depth = 0): ReadonlyMap<string, Spot> {
    const found = new Map<string, Spot>();
    const node = this.#resolve(spot?.node);
    if (!isMap(node) || depth > MAX_DEPTH) return found;
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : undefined;
      if (name === "<<") this.#merge(value, depth, found);
    }
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : undefined;
      if (name !== undefined && name !== "<<") found.set(name, { node: value, line: this.#lineOf(key) });
    }
    return found;
  }

  #merge(value: unknown, depth: number, found: Map<string, Spot>): void {
    const source = this.#resolve(value);
    for (const part of isSeq(source) ? source.items : [source])
      for (const [name, spot] of this.entriesOf({ node: part, line: 1 }, depth + 1))
        if (!found.has(name)) found.set(name, spot);
  }

  /** Items of a sequence; undefined for anything else. */
  itemsOf(spot: Spot | undefined): readonly Spot[] | undefined {
    const node = this.#resolve(spot?.node);
    return isSeq(node) ? node.items.map((item) => ({ node: item, line: this.#lineOf(item) })) : undefined;
  }

  /** A scalar as it is written; undefined for null and for anything that is no scalar. */
  textOf(spot: Spot | undefined): string | undefined {
    const node = this.#resolve(spot?.node);
    if (!isScalar(node) || node.value === null) return undefined;
    return typeof node.value === "string" ? node.value : (node.source ?? String(node.value));
  }

  /** A scalar that was cut out of another one. */
  scalar(text: string, line: number): Spot {
    return { node: new Scalar(text), line };
  }

  #resolve(node: unknown): unknown {
    return isAlias(node) && this.#document !== undefined ? node.resolve(this.#document) : node;
  }

  #lineOf(node: unknown): number {
    const range = typeof node === "object" && node !== null && "range" in node ? node.range : undefined;
    return Array.isArray(range) && typeof range[0] === "number" ? this.#lineAt(range[0]) : 1;
  }

  #lineAt(offset: number): number {
    return Math.max(1, this.#lines.linePos(offset).line);
  }
}

/** Reads header blocks (RFC 7541). One for each connection: what a block says depends on those before it. */
import { SHARED, shared } from "../../shared-values.ts";
import { decodeHuffman } from "./huffman.ts";
import { STATIC_FIELDS } from "./static-table.ts";

export type Field = { readonly name: string; readonly value: string };

/** §4.1: what an entry counts beside its text. */
const ENTRY_OVERHEAD = 32;
/** The size that both sides begin with, and that is never changed here (RFC 9113 §6.5.2). */
const TABLE_BYTES = 4096;
/** Continued bytes of a number: far beyond every length that a block can have. */
const MAX_NUMBER_BYTES = 4;

/** What ends the connection: without it the blocks that follow cannot be read (RFC 9113 §4.3). */
export class CompressionError extends Error {}

const statics: readonly Field[] = STATIC_FIELDS.map(([name, value]) => Object.freeze({ name, value }));

export class HeaderDecoder {
  /** The newest last; those before `oldest` are gone. */
  private entries: Field[] = [];
  private oldest = 0;
  private bytes = 0;
  private maxBytes = TABLE_BYTES;
  private block: Buffer = Buffer.alloc(0);
  private at = 0;
  private end = 0;
  private fields: Field[] = [];
  private room = 0;
  private pairs = 0;
  /** Changes with the table: the same block says the same for as long as this stays. */
  version = 0;

  /**
   * The fields of a whole block, in order; undefined when they are more than `maxFields` or than `maxBytes`, each counted with 32 bytes beside
   * its text. Throws CompressionError.
   */
  decode(block: Buffer, maxBytes: number, maxFields: number): readonly Field[] | undefined {
    this.block = block;
    this.at = 0;
    this.end = block.length;
    this.fields = [];
    this.room = maxBytes;
    this.pairs = maxFields;
    let isBegun = false;
    while (this.at < this.end) {
      const byte = block[this.at] ?? 0;
      if ((byte & 0xe0) === 0x20) {
        // §4.2: only before the first field.
        if (isBegun) throw new CompressionError("a table size within a block");
        this.resize(this.number(5));
        continue;
      }
      isBegun = true;
      if ((byte & 0x80) !== 0) this.found(this.entryAt(this.number(7)));
      else if ((byte & 0x40) !== 0) this.found(this.insert(this.literal(6)));
      else this.found(this.literal(4));
    }
    return this.room >= 0 && this.pairs >= 0 ? this.fields : undefined;
  }

  private found(field: Field): void {
    this.room -= field.name.length + field.value.length + ENTRY_OVERHEAD;
    this.pairs--;
    if (this.room >= 0 && this.pairs >= 0) this.fields.push(field);
  }

  private entryAt(index: number): Field {
    const known = statics[index - 1] ?? this.entries[this.entries.length - (index - statics.length)];
    const age = index - statics.length;
    if (index === 0 || known === undefined || (age > 0 && age > this.entries.length - this.oldest))
      throw new CompressionError(`no field has the index ${index}`);
    return known;
  }

  private literal(prefixBits: number): Field {
    const index = this.number(prefixBits);
    const name = index === 0 ? this.string() : this.entryAt(index).name;
    const value = this.string();
    return { name, value: SHARED.has(name) ? shared(value) : value };
  }

  private insert(field: Field): Field {
    this.version++;
    const bytes = field.name.length + field.value.length + ENTRY_OVERHEAD;
    this.evict(this.maxBytes - bytes);
    if (bytes <= this.maxBytes) {
      this.entries.push(field);
      this.bytes += bytes;
    }
    return field;
  }

  private resize(maxBytes: number): void {
    if (maxBytes > TABLE_BYTES) throw new CompressionError(`a table of ${maxBytes} bytes, of ${TABLE_BYTES} allowed`);
    this.version++;
    this.maxBytes = maxBytes;
    this.evict(maxBytes);
  }

  /** The oldest go until no more than so many bytes are left. */
  private evict(maxBytes: number): void {
    while (this.bytes > maxBytes && this.oldest < this.entries.length) {
      const field = this.entries[this.oldest++];
      if (field !== undefined) this.bytes -= field.name.length + field.value.length + ENTRY_OVERHEAD;
    }
    // Now and then, so that each entry is moved about once.
    if (this.oldest < 64 || this.oldest * 2 < this.entries.length) return;
    this.entries = this.entries.slice(this.oldest);
    this.oldest = 0;
  }

  /** §5.1. */
  private number(prefixBits: number): number {
    const most = 2 ** prefixBits - 1;
    let value = this.next() & most;
    if (value < most) return value;
    for (let taken = 0; ; taken++) {
      if (taken === MAX_NUMBER_BYTES) throw new CompressionError("a number that is too long");
      const byte = this.next();
      value += (byte & 0x7f) * 2 ** (7 * taken);
      if ((byte & 0x80) === 0) return value;
    }
  }

  /** §5.2. */
  private string(): string {
    const isCoded = ((this.block[this.at] ?? 0) & 0x80) !== 0;
    const length = this.number(7);
    const from = this.at;
    const to = from + length;
    if (to > this.end) throw new CompressionError("a string that is longer than its block");
    this.at = to;
    if (!isCoded) return this.block.toString("latin1", from, to);
    const text = decodeHuffman(this.block, from, to);
    if (text === undefined) throw new CompressionError("a string that is not in the Huffman code");
    return text;
  }

  private next(): number {
    const byte = this.at < this.end ? this.block[this.at] : undefined;
    if (byte === undefined) throw new CompressionError("a block that ends within a field");
    this.at++;
    return byte;
  }
}

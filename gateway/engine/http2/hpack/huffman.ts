/** The Huffman code of HPACK (RFC 7541 appendix B), decoded four bits at a step. It is canonical: the lengths of its codes are all there is to it. */

/** Bits of the code of each byte, and of the end of a string, which must not occur in one. */
// biome-ignore format: a table
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
  10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
  5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
  22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
  22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
  27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
  27, 27, 27, 27, 27, 26, 30,
] as const;
const END_OF_STRING = 256;

/** Per state and four bits: the next state, whether a byte came out and which, whether it is an error. */
const EMITS = 0x100;
const FAILS = 0x200;
const STATE_SHIFT = 10;
const STEPS = 16;

type Node = { readonly next: [Node | number | undefined, Node | number | undefined]; index: number; canEnd: boolean };

/** `endings`: 1 for a state in which a string may end, with nothing or up to seven ones left over (§5.2). */
const { steps, endings } = makeTables();

function makeTables(): { readonly steps: Uint32Array; readonly endings: Uint8Array } {
  const root: Node = { next: [undefined, undefined], index: 0, canEnd: true };
  const inner: Node[] = [root];
  const order = LENGTHS.map((length, symbol) => ({ length, symbol })).sort(
    (a, b) => a.length - b.length || a.symbol - b.symbol,
  );
  let code = 0;
  let before = 0;
  for (const { length, symbol } of order) {
    code = code * 2 ** (length - before);
    before = length;
    place(inner, root, code, length, symbol);
    code++;
  }
  for (let node: Node | number | undefined = root.next[1], ones = 1; typeof node === "object" && ones <= 7; ones++) {
    node.canEnd = true;
    node = node.next[1];
  }
  const table = new Uint32Array(inner.length * STEPS);
  for (const node of inner)
    for (let bits = 0; bits < STEPS; bits++) table[node.index * STEPS + bits] = step(root, node, bits);
  return { steps: table, endings: Uint8Array.from(inner, ({ canEnd }) => (canEnd ? 1 : 0)) };
}

function place(inner: Node[], root: Node, code: number, length: number, symbol: number): void {
  let node = root;
  for (let bit = length - 1; bit > 0; bit--) {
    const side = Math.floor(code / 2 ** bit) % 2 === 0 ? 0 : 1;
    const below = node.next[side];
    if (typeof below === "object") node = below;
    else {
      const made: Node = { next: [undefined, undefined], index: inner.length, canEnd: false };
      inner.push(made);
      node.next[side] = made;
      node = made;
    }
  }
  node.next[code % 2 === 0 ? 0 : 1] = symbol;
}

/** The shortest code has five bits: no four bring two bytes. */
function step(root: Node, from: Node, bits: number): number {
  let node = from;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const below = node.next[(bits >> bit) & 1 ? 1 : 0];
    if (below === undefined || below === END_OF_STRING) return FAILS;
    if (typeof below === "object") node = below;
    else {
      emitted = EMITS | below;
      node = root;
    }
  }
  return (node.index << STATE_SHIFT) | emitted;
}

let scratch = Buffer.allocUnsafeSlow(8192);

/** The text of a coded string, a character per byte; undefined for what is no code, or ends within one. */
export function decodeHuffman(bytes: Buffer, from: number, to: number): string | undefined {
  // Five bits at least for each byte.
  const most = Math.ceil(((to - from) * 8) / 5);
  if (scratch.length < most) scratch = Buffer.allocUnsafeSlow(most * 2);
  let state = 0;
  let length = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    const high = steps[state * STEPS + (byte >> 4)] ?? FAILS;
    if ((high & FAILS) !== 0) return undefined;
    if ((high & EMITS) !== 0) scratch[length++] = high & 0xff;
    const low = steps[(high >> STATE_SHIFT) * STEPS + (byte & 15)] ?? FAILS;
    if ((low & FAILS) !== 0) return undefined;
    if ((low & EMITS) !== 0) scratch[length++] = low & 0xff;
    state = low >> STATE_SHIFT;
  }
  return endings[state] === 1 ? scratch.toString("latin1", 0, length) : undefined;
}

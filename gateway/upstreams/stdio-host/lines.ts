/** Cuts a byte stream into lines (the framing of MCP stdio: one message per line) with a bound on the bytes held. */

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export type LineSink = {
  line(bytes: Buffer): void;
  /** A line passed the bound; called once per line, its rest is skipped. */
  tooLong(): void;
};

/** Answers a function that takes chunks. Lines come without their line end; empty ones are skipped. */
export function splitLines(maxBytes: number, sink: LineSink): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let held = 0;
  let skipping = false;

  function keep(piece: Buffer): void {
    if (skipping || piece.length === 0) return;
    if (held + piece.length > maxBytes) {
      parts = [];
      held = 0;
      skipping = true;
      sink.tooLong();
      return;
    }
    parts.push(piece);
    held += piece.length;
  }

  function finish(): void {
    const whole = parts.length === 1 ? parts[0] : Buffer.concat(parts, held);
    parts = [];
    held = 0;
    const skipped = skipping;
    skipping = false;
    if (skipped || whole === undefined) return;
    const line = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole;
    if (line.length > 0) sink.line(line);
  }

  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      keep(chunk.subarray(start, end));
      finish();
      start = end + 1;
    }
    keep(chunk.subarray(start));
  };
}

/** Raw line ends in valid JSON are white space between tokens: as blanks they fit one line (stdio) and one SSE data field. */
export function onOneLine(json: Buffer): Buffer {
  if (!json.includes(NEWLINE) && !json.includes(CARRIAGE_RETURN)) return json;
  const copy = Buffer.from(json);
  for (let at = 0; at < copy.length; at++) if (copy[at] === NEWLINE || copy[at] === CARRIAGE_RETURN) copy[at] = 0x20;
  return copy;
}

/**
 * Cuts what a PostgreSQL client sends into groups that have to run together: a simple query, or everything up to Sync
 * (PostgreSQL documentation §54.2.3, extended query). The embedded database has one session, and with it one unnamed statement for all
 * connections: another connection's Parse between our Parse and Bind would have us run its statement.
 */
const SYNC = 0x53;
const QUERY = 0x51;
const TERMINATE = 0x58;
const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
/** More in one group is no statement of this program. */
const MAX_GROUP_BYTES = 256 * 1024 * 1024;

export type Group =
  | { readonly kind: "run"; readonly bytes: Buffer }
  | { readonly kind: "encryption-request" }
  | { readonly kind: "end" };

export type Splitter = { push(chunk: Buffer): Group[] };

/** One per connection. Groups come out in order; throws RangeError for what is no message. */
export function createSplitter(): Splitter {
  let started = false;
  let pending: Buffer = Buffer.alloc(0);
  let scanned = 0;

  /** The next whole group in `pending`, or undefined when more bytes are needed. */
  function next(): Group | undefined {
    if (!started) return startup();
    while (pending.length >= scanned + 5) {
      const length = pending.readInt32BE(scanned + 1);
      if (length < 4 || scanned + length > MAX_GROUP_BYTES) throw new RangeError("not a PostgreSQL message");
      const end = scanned + 1 + length;
      if (pending.length < end) return undefined;
      const type = pending[scanned];
      scanned = end;
      if (type === TERMINATE) return { kind: "end" };
      if (type === SYNC || type === QUERY) return { kind: "run", bytes: take(end) };
    }
    return undefined;
  }

  function startup(): Group | undefined {
    if (pending.length < 8) return undefined;
    const length = pending.readInt32BE(0);
    const code = pending.readInt32BE(4);
    if (length < 8 || length > 10_000) throw new RangeError("not a PostgreSQL start message");
    if (pending.length < length) return undefined;
    const bytes = take(length);
    if (code === CANCEL_REQUEST) return { kind: "end" };
    if (code === SSL_REQUEST || code === GSS_REQUEST) return { kind: "encryption-request" };
    started = true;
    return { kind: "run", bytes };
  }

  function take(end: number): Buffer {
    const bytes = pending.subarray(0, end);
    pending = pending.subarray(end);
    scanned = 0;
    return bytes;
  }

  return {
    push(chunk) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const groups: Group[] = [];
      for (let group = next(); group !== undefined; group = next()) groups.push(group);
      return groups;
    },
  };
}

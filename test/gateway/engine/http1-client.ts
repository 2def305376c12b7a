/** A client of HTTP/1.1 in raw bytes, for what no library would send; its answers are read by the letter of RFC 9112. */
import { waitFor } from "../../harness/index.ts";
import { type RawConnection, rawConnection } from "./harness.ts";

export type Answer = {
  readonly status: number;
  /** Names in lower case, in alphabetical order; without what says when it was made or how long the connection may idle. */
  readonly headers: Readonly<Record<string, string>>;
  /** Latin1; a chunked one put together. */
  readonly body: string;
};

const UNTOLD: ReadonlySet<string> = new Set(["date", "keep-alive"]);
/** Longer than anything here takes, also on a busy machine. */
const PATIENCE_MS = 20_000;

export class Http1Client {
  readonly raw: RawConnection;
  private at = 0;

  constructor(raw: RawConnection) {
    this.raw = raw;
  }

  send(text: string | Buffer): void {
    this.raw.socket.write(text);
  }

  /** The next whole answer, which has no body when it was asked for by HEAD. Rejects when the connection ends before. */
  async next(method = "GET"): Promise<Answer> {
    return waitFor(() => this.read(method), PATIENCE_MS, `an answer to ${method}`);
  }

  /** What has come behind the answers that were read; resolves when the other side has closed. */
  async rest(): Promise<string> {
    return (await this.raw.closed).slice(this.at);
  }

  /** What has come so far behind the answers that were read. */
  get unread(): string {
    return this.raw.text().slice(this.at);
  }

  private read(method: string): Answer | undefined {
    const text = this.unread;
    const headEnd = text.indexOf("\r\n\r\n");
    if (headEnd < 0) return this.unfinished();
    const [statusLine = "", ...lines] = text.slice(0, headEnd).split("\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3}) [ -~]+$/.exec(statusLine)?.[1]);
    if (Number.isNaN(status)) throw new Error(`no status line: ${statusLine}`);
    const headers = Object.fromEntries(lines.map(fieldOf).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    const framed = bodyOf(text.slice(headEnd + 4), status, headers, method, this.isClosed);
    if (framed === undefined) return this.unfinished();
    this.at += headEnd + 4 + framed.size;
    const told = Object.entries(headers).filter(
      ([name, value]) => !UNTOLD.has(name) && !(name === "connection" && value === "keep-alive"),
    );
    return { status, headers: Object.fromEntries(told), body: framed.body };
  }

  private get isClosed(): boolean {
    return this.raw.socket.closed;
  }

  private unfinished(): undefined {
    if (this.isClosed) throw new Error(`the connection ended behind ${JSON.stringify(this.unread)}`);
    return undefined;
  }
}

function fieldOf(line: string): [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

/** RFC 9112 §6.3. Undefined: not all of it is there. */
function bodyOf(
  text: string,
  status: number,
  headers: Readonly<Record<string, string>>,
  method: string,
  isClosed: boolean,
): { readonly body: string; readonly size: number } | undefined {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return { body: "", size: 0 };
  if (headers["transfer-encoding"] === "chunked") return chunksOf(text);
  const length = headers["content-length"];
  if (length === undefined) return isClosed ? { body: text, size: text.length } : undefined;
  const size = Number(length);
  return text.length < size ? undefined : { body: text.slice(0, size), size };
}

/** RFC 9112 §7.1, without extensions and trailers. */
function chunksOf(text: string): { readonly body: string; readonly size: number } | undefined {
  let body = "";
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (text.length < next) return undefined;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = next;
    if (size === 0) return { body, size: at };
  }
}

export async function http1Client(port: number): Promise<Http1Client> {
  return new Http1Client(await rawConnection(port));
}

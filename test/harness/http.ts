/** Raw HTTP for tests of headers, statuses and bytes, on node:http because fetch forbids Host and hides framing. */
import { type IncomingHttpHeaders, request } from "node:http";

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as it came. */
  readonly bytes: Buffer;
  /** The JSON body, or the last `data:` of an event stream. */
  json(): Record<string, unknown>;
};

export const MCP_HEADERS = {
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
} as const;

export function send(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  body?: string | Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => {
        const bytes = Buffer.concat(chunks);
        const text = bytes.toString("utf8");
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          bytes,
          json: () => lastJson(response.headers["content-type"] ?? "", text),
        });
      });
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

/** The messages of an event stream's text, in order; priming events without data are left out. */
export function eventData(text: string): string[] {
  return text
    .split(/\r?\n\r?\n/)
    .map((event) =>
      event
        .split(/\r?\n/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).replace(/^ /, ""))
        .join("\n"),
    )
    .filter((data) => data !== "");
}

function lastJson(contentType: string, text: string): Record<string, unknown> {
  const data = contentType.startsWith("text/event-stream") ? (eventData(text).at(-1) ?? "") : text;
  const value: unknown = JSON.parse(data);
  if (typeof value !== "object" || value === null) throw new Error(`not an object: ${data}`);
  return { ...value };
}

/** An open event stream read message by message. */
export type EventStream = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Every event so far: id and data as sent. */
  readonly events: { readonly id: string | undefined; readonly data: string }[];
  readonly ended: Promise<void>;
  /** How long the stream last told to wait before it is opened again, in ms. */
  retryMs(): number | undefined;
  /** True once the answer came to its regular end, false when it was cut. */
  isComplete(): boolean;
  close(): void;
};

export function openStream(
  method: "GET" | "POST",
  url: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
): Promise<EventStream> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false }, (response) => {
      const events: { id: string | undefined; data: string }[] = [];
      let rest = "";
      let retryMs: number | undefined;
      const ended = new Promise<void>((done) => {
        response.once("close", done);
      });
      response.on("error", () => {});
      response.setEncoding("utf8").on("data", (text: string) => {
        const parts = (rest + text).split(/\r?\n\r?\n/);
        rest = parts.pop() ?? "";
        for (const part of parts) {
          const data = eventData(`${part}\n\n`).join("");
          const id = /^id: ?(.*)$/m.exec(part)?.[1];
          const retry = /^retry: ?(\d+)$/m.exec(part)?.[1];
          if (retry !== undefined) retryMs = Number(retry);
          if (data !== "" || id !== undefined) events.push({ id, data });
        }
      });
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        events,
        ended,
        retryMs: () => retryMs,
        isComplete: () => response.complete,
        close: () => void outgoing.destroy(),
      });
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

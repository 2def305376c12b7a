/** Node's HTTP/2 client in promises, and raw frames for what it refuses to send. */
import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import type { SecureContextOptions } from "node:tls";

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** RFC 9113 §7. */
  readonly rstCode: number;
};

export function http2Session(
  url: string,
  options: SecureContextOptions & { readonly rejectUnauthorized?: boolean } = {},
): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = connect(url, options);
    session.once("error", reject);
    session.once("connect", () => {
      session.on("error", () => undefined);
      resolve(session);
    });
  });
}

/** Rejects only when the session is gone; a reset stream answers with its code and status 0. */
export function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<Answer> {
  return new Promise((resolve) => {
    const stream = session.request(headers, { endStream: body === undefined });
    const chunks: Buffer[] = [];
    let got: IncomingHttpHeaders = {};
    stream.on("response", (found) => {
      got = found;
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", () => undefined);
    stream.on("close", () =>
      resolve({
        status: Number(got[":status"] ?? 0),
        headers: got,
        text: Buffer.concat(chunks).toString(),
        rstCode: stream.rstCode,
      }),
    );
    if (body !== undefined) stream.end(body);
  });
}

export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const frames = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goaway: 7, continuation: 9 } as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;

/** RFC 9113 §4.1. */
export function frame(type: number, flags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** RFC 7541 §6.2.2: literal fields that no table keeps. Names and values under 127 bytes. */
export function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value, "latin1")]);
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

export type Frame = {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
};

/** The whole frames of what a server sent. */
export function parseFrames(bytes: Buffer): Frame[] {
  const found: Frame[] = [];
  for (let at = 0; at + 9 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    if (at + 9 + length > bytes.length) break;
    found.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      streamId: bytes.readUInt32BE(at + 5) & 0x7fffffff,
      payload: bytes.subarray(at + 9, at + 9 + length),
    });
    at += 9 + length;
  }
  return found;
}

/** Of the last GOAWAY among the frames (RFC 9113 §6.8); undefined without one. */
export function goawayCode(bytes: Buffer): number | undefined {
  return parseFrames(bytes)
    .findLast(({ type }) => type === frames.goaway)
    ?.payload.readUInt32BE(4);
}

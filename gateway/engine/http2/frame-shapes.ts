/** What is wrong with a frame whatever the state of its connection: its stream and its length (RFC 9113 §6). */
import { ERROR, FLAG, FRAME, SETTING_BYTES } from "./frames.ts";

type Shape = {
  /** `none`: it is of the connection, stream 0. */
  readonly stream: "none" | "some" | "any";
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly stepBytes?: number;
};

const PRIORITY_BYTES = 5;

/** By type, as far as they are known and may be sent by a client. PUSH_PROMISE may not (§8.4). */
const SHAPES: { readonly [Type in Exclude<(typeof FRAME)[keyof typeof FRAME], typeof FRAME.pushPromise>]: Shape } = {
  [FRAME.data]: { stream: "some" },
  [FRAME.headers]: { stream: "some" },
  [FRAME.priority]: { stream: "some", minBytes: PRIORITY_BYTES, maxBytes: PRIORITY_BYTES },
  [FRAME.rstStream]: { stream: "some", minBytes: 4, maxBytes: 4 },
  [FRAME.settings]: { stream: "none", stepBytes: SETTING_BYTES },
  [FRAME.ping]: { stream: "none", minBytes: 8, maxBytes: 8 },
  [FRAME.goaway]: { stream: "none", minBytes: 8 },
  [FRAME.windowUpdate]: { stream: "any", minBytes: 4, maxBytes: 4 },
  [FRAME.continuation]: { stream: "some" },
};
const SHAPE_OF: ReadonlyMap<number, Shape> = new Map(
  Object.entries(SHAPES).map(([type, shape]) => [Number(type), shape]),
);

/** The error of the connection that a frame of `length` bytes is by its shape alone; of unknown types there is none (§5.5). */
export function shapeError(type: number, flags: number, streamId: number, length: number): number {
  const shape = SHAPE_OF.get(type);
  if (shape === undefined) return type === FRAME.pushPromise ? ERROR.protocol : ERROR.none;
  const { stream, minBytes = 0, maxBytes = Number.POSITIVE_INFINITY, stepBytes = 1 } = shape;
  if ((stream === "none" && streamId !== 0) || (stream === "some" && streamId === 0)) return ERROR.protocol;
  if (length < minBytes || length > maxBytes || length % stepBytes !== 0) return ERROR.frameSize;
  // An acknowledgement says nothing else (§6.5).
  return type === FRAME.settings && (flags & FLAG.ack) !== 0 && length > 0 ? ERROR.frameSize : ERROR.none;
}

/** Of DATA and HEADERS: what is between the fields before it and the padding (§6.1 and §6.2); undefined when those are longer than the frame. */
export function contentOf(type: number, flags: number, bytes: Buffer, from: number, to: number): Buffer | undefined {
  const isPadded = (flags & FLAG.padded) !== 0;
  const hasPriority = type === FRAME.headers && (flags & FLAG.priority) !== 0;
  const start = from + (isPadded ? 1 : 0) + (hasPriority ? PRIORITY_BYTES : 0);
  const end = to - (isPadded ? (bytes[from] ?? 0) : 0);
  return start <= end ? bytes.subarray(start, end) : undefined;
}

/** Whether a PRIORITY frame, or HEADERS that have one within, whose shape is right, makes a stream depend on itself (RFC 7540 §5.3.1). */
export function dependsOnItself(type: number, flags: number, streamId: number, bytes: Buffer, from: number): boolean {
  if (type === FRAME.headers && (flags & FLAG.priority) === 0) return false;
  const at = type === FRAME.headers && (flags & FLAG.padded) !== 0 ? from + 1 : from;
  return bytes.readUInt32BE(at) % 2 ** 31 === streamId;
}

/** One kept answer: the bytes of its result, how long its upstream lets it live, and its way into the shared state and back. */
import { type Envelope, memberAt, resultMessage, splice, stringAt, valueAt } from "../mcp/index.ts";

export type Answer = {
  /** The whole result object, of its own. */
  readonly result: Buffer;
  /** Where the value of ttlMs stands in it; equal when there is none. */
  readonly ttlStart: number;
  readonly ttlEnd: number;
  /** Epoch milliseconds; 0 for what may not be kept. */
  readonly freshUntil: number;
  /** The gateway's own bound, ms. */
  readonly keepMs: number;
  readonly isPrivate: boolean;
};

/** What is larger stays in the process that asked for it. */
const MAX_SHARED_BYTES = 262_144;

/** undefined for an error and for a result that is not complete. Private unless its upstream says otherwise. */
export function readAnswer(
  raw: Buffer,
  { result: span }: Envelope,
  era: "legacy" | "modern",
  now: number,
  keepMs: number,
): Answer | undefined {
  if (span === undefined) return undefined;
  // A copy: the message may be a part of something larger.
  const result = Buffer.from(raw.subarray(span.start, span.end));
  const root = { start: 0, end: result.length };
  const unkept = { result, ttlStart: 0, ttlEnd: 0, freshUntil: 0, keepMs, isPrivate: true };
  if (era === "legacy") return unkept;
  if ((stringAt(result, memberAt(result, root, "resultType")) ?? "complete") !== "complete") return undefined;
  const ttl = memberAt(result, root, "ttlMs");
  const ttlMs = ttl === undefined ? 0 : valueAt(result, ttl);
  const isPrivate = stringAt(result, memberAt(result, root, "cacheScope")) !== "public";
  if (ttl === undefined || typeof ttlMs !== "number" || !(ttlMs > 0)) return { ...unkept, isPrivate };
  return { result, ttlStart: ttl.start, ttlEnd: ttl.end, freshUntil: now + ttlMs, keepMs, isPrivate };
}

/** The response with what is left of its time. `id` is raw JSON. */
export function answerMessage(answer: Answer, id: string, now: number): Buffer {
  const { result, ttlStart, ttlEnd, freshUntil } = answer;
  const leftMs = Math.max(0, Math.floor(freshUntil - now));
  const edits = ttlEnd > ttlStart ? [{ start: ttlStart, end: ttlEnd, text: String(leftMs) }] : [];
  return resultMessage(id, splice(result, edits));
}

/** `ahead`: by how many ms the clock of all processes is ahead of the one of the answer. */
export function encodeAnswer(answer: Answer, ahead: number): string | undefined {
  const { result, ttlStart, ttlEnd, freshUntil, keepMs, isPrivate } = answer;
  if (result.length > MAX_SHARED_BYTES) return undefined;
  return `${JSON.stringify([ttlStart, ttlEnd, freshUntil + ahead, keepMs, isPrivate])}\n${result.toString()}`;
}

export function decodeAnswer(text: string, ahead: number): Answer | undefined {
  const split = text.indexOf("\n");
  const head: unknown = parse(text.slice(0, Math.max(0, split)));
  if (!Array.isArray(head)) return undefined;
  const [ttlStart, ttlEnd, freshUntil, keepMs, isPrivate]: unknown[] = head;
  if (typeof ttlStart !== "number" || typeof ttlEnd !== "number" || typeof isPrivate !== "boolean") return undefined;
  if (typeof freshUntil !== "number" || typeof keepMs !== "number") return undefined;
  const result = Buffer.from(text.slice(split + 1));
  return { result, ttlStart, ttlEnd, freshUntil: freshUntil - ahead, keepMs, isPrivate };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

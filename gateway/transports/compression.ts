/** Compressed answers: which coding a client is given, which answers are worth it, and which may not be compressed at all. */
import {
  type BrotliOptions,
  brotliCompress,
  brotliCompressSync,
  constants,
  gzip,
  gzipSync,
  type ZlibOptions,
  type ZstdOptions,
  zstdCompress,
  zstdCompressSync,
} from "node:zlib";
import type { Route } from "../../contract/routes.ts";

export const CODINGS = ["br", "zstd", "gzip"] as const;
/** The best of them first: what is chosen among codings that a client likes as much. */
export type Coding = (typeof CODINGS)[number];

export type CompressionOptions = {
  /** Answers of fewer bytes are sent as they are. */
  readonly minimumBytes: number;
  /** 1…9. */
  readonly gzipLevel: number;
  /** 0…11. */
  readonly brotliQuality: number;
  /** 1…22. */
  readonly zstdLevel: number;
};

/** Weights of one Accept-Encoding that were made out, in thousandths; clients send the same text again and again. */
const chosen = new Map<string, Coding | undefined>();
const MAX_REMEMBERED = 1000;
const MAX_HEADER_CHARS = 1000;

/**
 * The coding that an Accept-Encoding asks for (RFC 9110 §12.5.3): the highest weight wins, our order decides between equal ones, and a
 * coding that is liked less than `identity` is not used. Undefined for none: then the answer goes out as it is, which `identity;q=0` cannot
 * forbid where nothing else is possible.
 */
export function codingOf(header: string | undefined): Coding | undefined {
  if (header === undefined || header.length > MAX_HEADER_CHARS) return undefined;
  if (chosen.has(header)) return chosen.get(header);
  const found = choose(header);
  if (chosen.size >= MAX_REMEMBERED) chosen.clear();
  chosen.set(header, found);
  return found;
}

function choose(header: string): Coding | undefined {
  const weights = new Map<string, number>();
  for (const part of header.toLowerCase().split(",")) {
    const [name = "", ...params] = part.split(";").map((piece) => piece.trim());
    const weight = weightOf(params);
    if (name !== "" && weight !== undefined) weights.set(name === "x-gzip" ? "gzip" : name, weight);
  }
  const of = (coding: string) => weights.get(coding) ?? weights.get("*") ?? 0;
  const plain = weights.get("identity") ?? 0;
  let best: Coding | undefined;
  for (const coding of CODINGS)
    if (of(coding) > 0 && of(coding) >= plain && of(coding) > (best === undefined ? 0 : of(best))) best = coding;
  return best;
}

/** Thousandths; undefined for what is no weight: that coding was not asked for. */
function weightOf(params: readonly string[]): number | undefined {
  const given = params.find((param) => param.startsWith("q="));
  if (given === undefined) return 1000;
  return /^q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(given) ? Math.round(Number(given.slice(2)) * 1000) : undefined;
}

/**
 * Never where an answer holds a secret beside what the caller may have written himself: its length would tell the secret (BREACH). That is
 * every answer about accounts: logins, tokens, users.
 */
export function mayCompress({ area, internal }: Pick<Route, "area" | "internal">): boolean {
  return area !== "accounts" && internal !== true;
}

/** Text is worth it; event streams and what is packed already are not. */
const WORTH =
  /^(?:application\/(?:[\w.+-]+\+)?json|application\/(?:openmetrics-text|javascript|xml)|text\/(?!event-stream)[\w.+-]+|image\/svg\+xml)\b/i;

export function isWorth(contentType: string | undefined): boolean {
  return contentType !== undefined && (contentType === "application/json" || WORTH.test(contentType));
}

/** Larger bodies are compressed by the thread pool; below, handing them over costs more than doing it. */
export const SYNC_BYTES = 8192;

export interface Compressor {
  readonly minimumBytes: number;
  now(coding: Coding, body: Uint8Array): Buffer;
  /** By the thread pool. Undefined when it failed: then the answer goes out as it is. */
  later(coding: Coding, body: Uint8Array, done: (packed: Buffer | undefined) => void): void;
}

export function createCompressor(options: CompressionOptions): Compressor {
  const gz: ZlibOptions = { level: options.gzipLevel };
  const brOf = (bytes: number): BrotliOptions => ({
    params: {
      [constants.BROTLI_PARAM_QUALITY]: options.brotliQuality,
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes,
    },
  });
  const zs: ZstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: options.zstdLevel } };
  return {
    minimumBytes: options.minimumBytes,
    now(coding, body) {
      if (coding === "br") return brotliCompressSync(body, brOf(body.length));
      return coding === "zstd" ? zstdCompressSync(body, zs) : gzipSync(body, gz);
    },
    later(coding, body, done) {
      const told = (error: Error | null, packed: Buffer) => done(error === null ? packed : undefined);
      if (coding === "br") brotliCompress(body, brOf(body.length), told);
      else if (coding === "zstd") zstdCompress(body, zs, told);
      else gzip(body, gz, told);
    },
  };
}

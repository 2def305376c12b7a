/** The token of whatever collects the metrics: one secret that opens `GET /metrics` and nothing else. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Principal } from "../../contract/principal.ts";

export const SCRAPER: Principal = Object.freeze({ id: "metrics", kind: "scraper", admin: false, teams: [] });

/** Compares digests, which are of one length, in constant time: how long it takes tells nothing of the secret. */
export function scraperToken(secret: string): (token: string) => boolean {
  const expected = digestOf(secret);
  return (token) => timingSafeEqual(digestOf(token), expected);
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

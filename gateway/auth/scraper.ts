/** The token of whatever collects the metrics: one secret that opens `GET /metrics` and nothing else. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Principal } from "../../contract/principal.ts";
import type { Verifier } from "./verifiers.ts";

const SCRAPER: Principal = Object.freeze({ id: "metrics", kind: "scraper", admin: false, teams: [] });

/** Compares digests, which are of one length, in constant time: how long it takes tells nothing of the secret. */
export function createScraperVerifier(secret: string): Verifier {
  const expected = digestOf(secret);
  return {
    async verify(token) {
      return timingSafeEqual(digestOf(token), expected) ? SCRAPER : undefined;
    },
  };
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

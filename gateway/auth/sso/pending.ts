/**
 * A sign-in between leaving for the provider and coming back: kept by the browser in a sealed cookie, so that any worker of any replica can
 * go on. What the browser brings back was begun in that browser, or it does not open (OAuth 2.1 §7.12, login CSRF).
 */
import { hkdfSync } from "node:crypto";
import { EncryptJWT, jwtDecrypt } from "jose";
import * as z from "zod";

/** Longest time that somebody may take at the provider. */
export const PENDING_SECONDS = 600;

const Pending = z.object({
  provider: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  /** A path of this gateway, or empty. */
  returnTo: z.string(),
});
export type Pending = z.infer<typeof Pending>;

export interface PendingSeal {
  seal(pending: Pending): Promise<string>;
  /** Undefined for what was not sealed here, and for what is too old. */
  open(text: string): Promise<Pending | undefined>;
}

/** `secret`: the same in every replica. `now`: epoch milliseconds. */
export function createPendingSeal(secret: string, now: () => number): PendingSeal {
  const key = new Uint8Array(hkdfSync("sha256", secret, "", "mcp-stack sign-in", 32));
  return {
    seal: (pending) =>
      new EncryptJWT(pending)
        .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
        .setExpirationTime(Math.floor(now() / 1000) + PENDING_SECONDS)
        .encrypt(key),
    async open(text) {
      try {
        const { payload } = await jwtDecrypt(text, key, {
          keyManagementAlgorithms: ["dir"],
          contentEncryptionAlgorithms: ["A256GCM"],
          requiredClaims: ["exp"],
          currentDate: new Date(now()),
        });
        return Pending.parse(payload);
      } catch {
        return undefined;
      }
    },
  };
}

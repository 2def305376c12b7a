/** Ways to prove an identity. A verifier answers for the tokens of its own kind; the others pass it by. */
import type { Identity } from "./directory.ts";

/** Ids stand in logs, keys and metrics: visible, without spaces, of bounded length. */
export const SAFE_ID = /^[^\s\p{C}]{1,254}$/u;

export type Rejection = {
  readonly rejected: "invalid" | "expired";
  readonly reason: string;
  /** The same token is refused again until keys change: worth remembering where the check is expensive. */
  readonly lasting?: true;
};

export interface Verifier {
  /** `undefined`: not a token of this kind, ask the next. A rejection ends the search. Rejects only when a store does not answer. */
  verify(token: string): Promise<Identity | Rejection | undefined>;
  /** Called when proofs that were good may be so no longer. Absent where that does not happen. */
  onKeysChanged?(listener: () => void): void;
}

export function invalid(reason: string): Rejection {
  return { rejected: "invalid", reason };
}

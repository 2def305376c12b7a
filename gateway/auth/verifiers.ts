/** Ways to prove an identity. A verifier answers for the tokens of its own kind; the others pass it by. */
import type { Principal } from "../../contract/principal.ts";

/** Ids stand in logs, keys and metrics: visible, without spaces, of bounded length. */
export const SAFE_ID = /^[^\s\p{C}]{1,254}$/u;

export type Rejection = { readonly rejected: "invalid" | "expired"; readonly reason: string };

export interface Verifier {
  /** `undefined`: not a token of this kind, ask the next. A rejection ends the search. Rejects only when a store does not answer. */
  verify(token: string): Promise<Principal | Rejection | undefined>;
}

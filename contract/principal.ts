/** Who is asking. Made by the auth room only; every other room decides by it and never by a raw token. */
export type Principal = {
  /** Stable id, safe in keys, logs and metrics: the email or the token's subject. Never a token. */
  readonly id: string;
  readonly kind: "jwt" | "anonymous";
  readonly admin: boolean;
  readonly teams: readonly string[];
  /** Epoch milliseconds; absent for anonymous. */
  readonly expiresAt?: number;
};

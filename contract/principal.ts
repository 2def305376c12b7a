/** Who is asking. Made by the auth room only; every other room decides by it and never by a raw token. */
export type Principal = {
  /** Stable id, safe in keys, logs and metrics: the email or the token's subject. Never a token. */
  readonly id: string;
  /** `scraper`: may read the metrics and nothing else, not even what any principal may. */
  readonly kind: "jwt" | "anonymous" | "scraper";
  readonly admin: boolean;
  readonly teams: readonly string[];
  /** Epoch milliseconds; absent for anonymous. */
  readonly expiresAt?: number;
};

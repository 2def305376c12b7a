/** Who is asking. Made by the auth room only; every other room decides by it and never by a raw token. */
export type Principal = {
  /** Stable id, safe in keys, logs and metrics: the email, the token's subject, a name in the certificate. Never a token. */
  readonly id: string;
  /** `scraper`: may read the metrics and nothing else, not even what any principal may. */
  readonly kind: "jwt" | "certificate" | "anonymous" | "scraper";
  readonly admin: boolean;
  readonly teams: readonly string[];
  /** Epoch milliseconds; absent for anonymous. */
  readonly expiresAt?: number;
};

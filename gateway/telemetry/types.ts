/** What every room may be given to speak with; main.ts makes the one instance of each. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** A log whose lines all carry these fields. */
  child(fields: LogFields): Log;
}

/** What the security log knows of. */
export type SecurityKind =
  | "auth.ok"
  | "auth.refused"
  | "auth.forbidden"
  | "auth.lockout"
  | "auth.revoked"
  | "limit.refused"
  | "address.blocked"
  | "tool.quarantined";

export type SecurityEvent = {
  readonly kind: SecurityKind;
  /** Of the client; empty where it is nobody's request. */
  readonly remote: string;
  /** A principal's id; never a token. */
  readonly principal?: string | undefined;
  /** A word or two, the same for equal events. */
  readonly detail: string;
  readonly correlationId: string;
};

/** Where rooms say what concerns security. Synchronous; costs nothing where the log is off. */
export interface SecurityLog {
  record(event: SecurityEvent): void;
}

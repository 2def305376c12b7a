/** Answers for refused requests, made once for each reason and each value of Retry-After, and then only handed out. */
import { type ErrorCode, fault } from "../../contract/errors.ts";
import { errorMessage } from "../mcp/index.ts";
import type { Refusal, RefusalReason } from "./types.ts";

const CODES = {
  full: "MCPS_OVERLOADED",
  pressure: "MCPS_PRESSURE",
  share: "MCPS_SHARE",
  late: "MCPS_QUEUE_TIMEOUT",
  draining: "MCPS_DRAINING",
} as const satisfies Record<RefusalReason, ErrorCode>;

export class Refusals {
  readonly #what: string;
  readonly #limit: number;
  readonly #made: Readonly<Record<RefusalReason, Refusal[]>> = {
    full: [],
    pressure: [],
    share: [],
    late: [],
    draining: [],
  };

  /** `what`: plural, as in "Too many calls at once"; `limit`: the configured one. */
  constructor(what: string, limit: number) {
    this.#what = what;
    this.#limit = limit;
  }

  of(reason: RefusalReason, retryAfterSeconds: number): Refusal {
    const known = this.#made[reason][retryAfterSeconds];
    if (known !== undefined) return known;
    const made = this.#make(reason, retryAfterSeconds);
    this.#made[reason][retryAfterSeconds] = made;
    return made;
  }

  #make(reason: RefusalReason, retryAfterSeconds: number): Refusal {
    const headers: Record<string, string> = { "retry-after": String(retryAfterSeconds) };
    // A drained process will not take this connection's next request either.
    if (reason === "draining") headers.connection = "close";
    const failure = fault(CODES[reason], { what: this.#what, limit: this.#limit }, undefined, headers);
    return Object.freeze({
      ok: false,
      status: failure.status,
      headers: Object.freeze({ "content-type": "application/json", ...headers }),
      body: errorMessage("null", failure).toString(),
      reason,
      fault: failure,
    });
  }
}

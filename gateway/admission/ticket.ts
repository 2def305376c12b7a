/** A slot that a request holds: what an engine keeps between a request's head and the end of its answer. */
import type { Admitted, RequestHead } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Lane } from "./lane.ts";
import type { Party } from "./shares.ts";
import type { Refusal } from "./types.ts";

/** Time for the body of what may end a waiting call: it is small, and comes with its head or right behind it. */
export const REPLY_BODY_MS = 250;

export class Ticket implements Admitted {
  readonly ok = true;
  readonly controlOnly: Refusal | undefined;
  /** Set by who knows the route. */
  maxBodyBytes: number | undefined = undefined;
  #lane: Lane | undefined;
  #party: Party | undefined;
  #isStranger: boolean;

  /** `isStranger`: it is counted among the lane's strangers already. */
  constructor(lane: Lane, party: Party | undefined, controlOnly: Refusal | undefined, isStranger = false) {
    this.#lane = lane;
    this.#party = party;
    this.controlOnly = controlOnly;
    this.#isStranger = isStranger;
  }

  get bodyWithinMs(): number | undefined {
    if (this.controlOnly !== undefined) return REPLY_BODY_MS;
    return this.#isStranger ? this.#lane?.strangersBodyMs : undefined;
  }

  /** The head is this principal's: from now on it is known by that, and the slot is counted there. Cheap where it is known. */
  identify(head: RequestHead, principal: Principal): void {
    this.#settle();
    const party = this.#party;
    const shares = this.#lane?.shares;
    const { authorization } = head.headers;
    if (party === undefined || party.isNamed) return;
    if (principal.kind === "anonymous" || shares === undefined || authorization === undefined) return;
    this.#party = shares.confirm(party, authorization, principal.id);
  }

  /** The head's token was refused. */
  deny({ headers }: RequestHead): void {
    if (headers.authorization !== undefined) this.#lane?.shares?.deny(headers.authorization);
  }

  /** Gives the slot back. Idempotent. */
  leave(): void {
    const lane = this.#lane;
    if (lane === undefined) return;
    this.#settle();
    this.#lane = undefined;
    if (this.#party !== undefined) lane.shares?.give(this.#party);
    lane.vacate();
  }

  /** It is no stranger any longer. */
  #settle(): void {
    if (this.#isStranger && this.#lane !== undefined) this.#lane.strangers--;
    this.#isStranger = false;
  }
}

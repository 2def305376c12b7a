import type { RequestHead } from "../../../contract/http.ts";
import {
  type Admission,
  type AdmissionClass,
  QueuedTicket,
  type Refusal,
  Ticket,
} from "../../../gateway/admission/index.ts";

/** A request head of somebody: by header, by certificate, or by address alone. */
export function headOf(who: {
  readonly authorization?: string;
  readonly fingerprint?: string;
  readonly remoteAddress?: string;
}): RequestHead {
  return {
    method: "POST",
    path: "/mcp",
    query: "",
    headers: who.authorization === undefined ? {} : { authorization: who.authorization },
    remoteAddress: who.remoteAddress ?? "192.0.2.1",
    ...(who.fingerprint === undefined
      ? {}
      : { client: { commonName: "c", names: [], fingerprint: who.fingerprint, expiresAt: 2 ** 42 } }),
  };
}

export const principal = (id: string) => ({ id, kind: "jwt", admin: false, teams: [] }) as const;

export function ticketOf(entered: Ticket | QueuedTicket | Refusal): Ticket {
  if (entered instanceof Ticket) return entered;
  throw new Error(entered instanceof QueuedTicket ? "queued" : entered.reason);
}

export function refusalOf(entered: Ticket | QueuedTicket | Refusal): Refusal {
  if (entered.ok) throw new Error("admitted");
  return entered;
}

export function enter(admission: Admission, kind: AdmissionClass, head?: RequestHead): Ticket {
  return ticketOf(admission.enter(kind, head));
}

/** Beats until a second is over. */
export function second(admission: Admission): void {
  for (let beat = 0; beat < 10; beat++) admission.beat();
}

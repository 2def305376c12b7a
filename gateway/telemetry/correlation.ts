/** The id that joins what is written of one request: its line of the access log, its rows of audit trail and security log, its answer. */
import { randomUUID } from "node:crypto";
import { redactText } from "./redaction.ts";

type Head = { readonly headers: Readonly<Record<string, string | undefined>> };

const WORD = /^[\w.:-]{1,100}$/;
/** Trace id of W3C Trace Context §3.2.2.3. */
const TRACE = /^[\da-f]{2}-([\da-f]{32})-/;

/** Ids that were made here, by request. */
const made = new WeakMap<Head, string>();
let isAnyMade = false;

/** The client's `X-Correlation-ID` when that is a word, else the trace that it says it is part of, else one that is made for this request. */
export function correlationOf(head: Head): string {
  const known = knownCorrelation(head);
  if (known !== "") return known;
  const id = randomUUID();
  made.set(head, id);
  isAnyMade = true;
  return id;
}

/** As `correlationOf`, and empty where nobody has asked for one yet: calls that are written down by the thousand need no id that leads nowhere. */
export function knownCorrelation(head: Head): string {
  const { "x-correlation-id": given, traceparent } = head.headers;
  if (given !== undefined && WORD.test(given)) return redactText(given);
  const trace = traceparent === undefined ? undefined : TRACE.exec(traceparent)?.[1];
  if (trace !== undefined) return trace;
  return isAnyMade ? (made.get(head) ?? "") : "";
}

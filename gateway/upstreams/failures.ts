/** Turns what goes wrong on the wire into registered faults. Texts name codes and reasons, never headers or user information. */
import { type Fault, fault } from "../../contract/errors.ts";
import { AddressRefused } from "./guard/index.ts";
import type { UpstreamTarget } from "./types.ts";

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ENOTFOUND: "its name cannot be resolved",
  EAI_AGAIN: "its name cannot be resolved now",
  EHOSTUNREACH: "no route to it",
  ENETUNREACH: "no route to it",
  ETIMEDOUT: "connecting took too long",
  UND_ERR_CONNECT_TIMEOUT: "connecting took too long",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  UND_ERR_SOCKET: "the connection was closed",
  ENOENT: "the socket does not exist",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  CERT_REVOKED: "its certificate is revoked",
  CERT_SIGNATURE_FAILURE: "its certificate is signed by an authority that is not believed",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by an authority that is not believed",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is signed by an authority that is not believed",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is signed by an authority that is not believed",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is signed by an authority that is not believed",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is signed by an authority that is not believed",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: "it wants a certificate of the gateway",
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: "it does not agree to the gateway's TLS or certificate",
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: "it does not believe the authority of the gateway's certificate",
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: "it does not take the gateway's certificate",
  ERR_SSL_SSL_ALERT_BAD_CERTIFICATE: "it does not take the gateway's certificate",
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: "the gateway's certificate has expired",
  ERR_SSL_SSL_ALERT_CERTIFICATE_EXPIRED: "the gateway's certificate has expired",
  UND_ERR_INVALID_ARG: "a header or the path cannot be sent over HTTP",
};

const NOT_HTTP = new Set(["UND_ERR_HEADERS_OVERFLOW", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"]);

/** Of a connection that never stood: no byte of a request has gone out. */
const UNSENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
  "ENOENT",
]);

/** An HTTP status that was no answer. `retryAfterMs`: what its Retry-After asks for. */
export type StatusRefusal = { readonly status: number; readonly retryAfterMs: number | undefined };

// Facts for this room beside what a fault tells callers.
const unsent = new WeakSet<Fault>();
const refusals = new WeakMap<Fault, StatusRefusal>();

/** True when no connection could be had. */
export function isUnsent(failure: Fault): boolean {
  return unsent.has(failure);
}

export function refusalOf(failure: Fault): StatusRefusal | undefined {
  return refusals.get(failure);
}

/** Does this failure of a connection, a handshake or a session speak against the upstream itself, and not against who asked? */
export function isOpeningFailure(failure: Fault): boolean {
  const { code } = failure;
  if (code === "MCPS_UPSTREAM_STATUS") return (refusals.get(failure)?.status ?? 0) >= 500;
  return code === "MCPS_UPSTREAM_UNREACHABLE" || code === "MCPS_UPSTREAM_TIMEOUT" || code === "MCPS_UPSTREAM_PROTOCOL";
}

export function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

/** A failure of the network or of HTTP framing. `begun`: part of the response had arrived. */
export function networkFault(target: UpstreamTarget, error: Error, begun: boolean): Fault {
  const code = codeOf(error);
  if (error.name === "HTTPParserError" || NOT_HTTP.has(code)) {
    return protocolFault(target, `its answer is no valid HTTP (${code})`);
  }
  if (begun) return protocolFault(target, "the connection closed in the middle of the response");
  if (error instanceof AddressRefused)
    return fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: target.slug, reason: error.message });
  const known = REASONS[code];
  const reason = known === undefined ? code : `${known} (${code})`;
  const failure = fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: target.slug, reason });
  if (UNSENT.has(code)) unsent.add(failure);
  return failure;
}

export function protocolFault(target: UpstreamTarget, reason: string): Fault {
  return fault("MCPS_UPSTREAM_PROTOCOL", { upstream: target.slug, reason });
}

export function tooLargeFault(target: UpstreamTarget, limit: number): Fault {
  return fault("MCPS_UPSTREAM_TOO_LARGE", { upstream: target.slug, limit });
}

export function timeoutFault(target: UpstreamTarget, method: string, ms: number): Fault {
  return fault("MCPS_UPSTREAM_TIMEOUT", { upstream: target.slug, method, ms });
}

/** Every connection to it is taken, and none became free within `ms`. */
export function busyFault(target: UpstreamTarget, ms: number): Fault {
  const reason = `no connection to it was free within ${ms} ms (UPSTREAM_POOL_TIMEOUT)`;
  return fault(
    "MCPS_UPSTREAM_BUSY",
    { upstream: target.slug, reason },
    { retryAfterSeconds: 1 },
    { "retry-after": "1" },
  );
}

/** `location`: only its origin and path are shown, a query may carry secrets. */
export function redirectFault(target: UpstreamTarget, status: number, location: string | undefined): Fault {
  let to = "an unnamed place";
  if (location !== undefined && URL.canParse(location, target.url)) {
    const url = new URL(location, target.url);
    to = `${url.origin}${url.pathname}`;
  }
  return protocolFault(target, `it redirects (HTTP ${status}) to ${to}; redirects are not followed`);
}

/** `upstreamError`: the JSON-RPC error of the body, if it had one. `retryAfter`: the header. */
export function statusFault(
  target: UpstreamTarget,
  method: string,
  status: number,
  upstreamError?: unknown,
  retryAfter?: string,
): Fault {
  // An answer to wrong credentials may quote them.
  const data = upstreamError === undefined || status === 401 || status === 403 ? undefined : { upstreamError };
  const retryAfterMs = retryAfter === undefined ? undefined : delayOf(retryAfter);
  const headers = retryAfterMs === undefined ? undefined : { "retry-after": String(Math.ceil(retryAfterMs / 1000)) };
  const failure = fault("MCPS_UPSTREAM_STATUS", { upstream: target.slug, method, status }, data, headers);
  refusals.set(failure, { status, retryAfterMs });
  return failure;
}

/** Retry-After: seconds or a date (RFC 9110 §10.2.3); undefined for anything else. */
function delayOf(retryAfter: string): number | undefined {
  if (/^\d{1,9}$/.test(retryAfter)) return Number(retryAfter) * 1000;
  const at = Date.parse(retryAfter);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}

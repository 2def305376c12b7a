/** Turns what goes wrong on the wire into registered faults. Texts name codes and reasons, never headers or user information. */
import { Fault, fault } from "../../contract/errors.ts";
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
  UND_ERR_INVALID_ARG: "a header or the path cannot be sent over HTTP",
};

const NOT_HTTP = new Set(["UND_ERR_HEADERS_OVERFLOW", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"]);

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
  return fault("MCPS_UPSTREAM_UNREACHABLE", { upstream: target.slug, reason });
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

const statuses = new WeakMap<Fault, number>();

/** The HTTP status with which an upstream refused a request, if that is what the fault tells. */
export function refusedWith(failure: unknown): number | undefined {
  return failure instanceof Fault ? statuses.get(failure) : undefined;
}

/** `upstreamError`: the JSON-RPC error of the body, if it had one. */
export function statusFault(target: UpstreamTarget, method: string, status: number, upstreamError?: unknown): Fault {
  // An answer to wrong credentials may quote them.
  const data = upstreamError === undefined || status === 401 || status === 403 ? undefined : { upstreamError };
  const made = fault("MCPS_UPSTREAM_STATUS", { upstream: target.slug, method, status }, data);
  statuses.set(made, status);
  return made;
}

/** What other rooms refuse, in the security log: by the codes of their faults, and where addresses are guarded. Part of the composition root. */
import type { Fault } from "../contract/errors.ts";
import type { CallWatch } from "./sessions/index.ts";
import type { SecurityKind, SecurityLog } from "./telemetry/index.ts";
import { type AddressGuard, AddressRefused } from "./upstreams/index.ts";

const KINDS: Readonly<Record<string, SecurityKind | undefined>> = {
  MCPS_UNAUTHENTICATED: "auth.refused",
  MCPS_LOGIN: "auth.refused",
  MCPS_LOGIN_LOCKED: "auth.lockout",
  MCPS_FORBIDDEN: "auth.forbidden",
  MCPS_RATE_LIMITED: "limit.refused",
  MCPS_TOKEN_LIMIT: "limit.refused",
  MCPS_TOOL_QUARANTINED: "tool.quarantined",
};

/** Undefined for a failure that is none of security's. */
export function securityKindOf(code: Fault["code"] | string): SecurityKind | undefined {
  return Object.hasOwn(KINDS, code) ? KINDS[code] : undefined;
}

/** Calls that were refused. */
export function securityWatch(security: SecurityLog): CallWatch {
  return {
    mayBegin: () => undefined,
    ended({ caller, route }, outcome) {
      // By far the most frequent one: no look-up for it.
      if (outcome === "ok") return;
      const kind = securityKindOf(outcome);
      if (kind === undefined) return;
      const detail = `${route.upstream.record.slug}/${(route.target?.value ?? "").slice(0, 200)}`;
      const { principal, remote, correlationId } = caller;
      security.record({ kind, remote, principal: principal.id, detail, correlationId });
    },
  };
}

/** The same guard; what it refuses is told, by host. */
export function watchedGuard(guard: AddressGuard, security: SecurityLog | undefined): AddressGuard {
  if (security === undefined) return guard;
  const tell = (host: string) =>
    security.record({ kind: "address.blocked", remote: "", detail: host.slice(0, 200), correlationId: "" });
  return {
    refusal: (url, trust) => guard.refusal(url, trust),
    async check(url, trust) {
      const reason = await guard.check(url, trust);
      if (reason !== undefined) tell(url.hostname);
      return reason;
    },
    lookup(trust) {
      const lookup = guard.lookup(trust);
      return (hostname, options, done) =>
        lookup(hostname, options, (error, ...found) => {
          if (error instanceof AddressRefused) tell(hostname);
          done(error, ...found);
        });
    },
    connector(trust, options) {
      const connect = guard.connector(trust, options);
      return (to, done) =>
        connect(to, (...result) => {
          if (result[0] instanceof AddressRefused) tell(to.hostname);
          done(...result);
        });
    },
  };
}

/** Tools of the gateway's own that were approved by being changed: a row of the audit trail beside that of the change. Part of the composition root. */
import type { RegistryParts } from "./registry/index.ts";
import { type AuditWriter, correlationOf } from "./telemetry/index.ts";

/** Names beyond these are only counted: what was changed is in the row of the change. */
const MAX_NAMES = 100;

/** `now`: epoch milliseconds. */
export function recordApprovals(audit: AuditWriter, now: () => number): NonNullable<RegistryParts["approved"]> {
  return ({ request, principal }, gatewayId, tools) => {
    if (tools.length === 0) return;
    audit.add({
      at: now(),
      correlationId: correlationOf(request),
      principal: principal.id,
      principalKind: principal.kind,
      tokenId: principal.tokenId ?? null,
      remote: request.remoteAddress,
      method: request.method,
      action: "pins.approve",
      resourceType: "pins",
      resourceId: gatewayId,
      status: 200,
      outcome: "ok",
      change: JSON.stringify({
        approved: tools.slice(0, MAX_NAMES).map((name) => name.slice(0, 100)),
        tools: tools.length,
      }),
    });
  };
}

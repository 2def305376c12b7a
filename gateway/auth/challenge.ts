/** What a refusal tells a client to do: `WWW-Authenticate` of 401 and of 403 (RFC 6750 §3, RFC 9728 §5.1, MCP authorization). */
import { type Fault, fault } from "../../contract/errors.ts";
import type { Principal } from "../../contract/principal.ts";
import type { Permission } from "../../contract/routes.ts";

export type Refusal = {
  readonly outcome: "missing" | "invalid" | "expired";
  readonly reason: string;
  readonly proof: "token" | "certificate";
};
export type Guidance = {
  /** URL of the protected resource's metadata. */
  readonly metadata: string | undefined;
  /** What the request needs. */
  readonly scope: readonly Permission[];
};

/** Nothing was wrong with a token that is not there: then the challenge names no error (RFC 6750 §3.1). */
export function unauthenticated({ outcome, reason, proof }: Refusal, guidance?: Guidance): Fault {
  const hasToken = outcome !== "missing" && proof === "token";
  return fault("MCPS_UNAUTHENTICATED", { reason }, undefined, {
    "www-authenticate": challenge(hasToken ? { error: "invalid_token", error_description: reason } : {}, guidance),
  });
}

/** 403 that a token with more scopes would not get; `scope` names all that the next token needs, since it takes the place of this one. */
export function insufficientScope(principal: Principal, needed: Permission, guidance: Guidance): Fault {
  const error = { error: "insufficient_scope", error_description: `the token does not cover ${needed}` };
  return fault("MCPS_FORBIDDEN", { principal: principal.id, action: needed }, undefined, {
    "www-authenticate": challenge(error, guidance),
  });
}

/** Values are sentences, permissions and URLs of our own; what a client wrote into Host is put into a quoted-string without its means to end it. */
function challenge(error: Readonly<Record<string, string>>, guidance: Guidance | undefined): string {
  const { metadata, scope = [] } = guidance ?? {};
  const hints = metadata === undefined ? {} : { resource_metadata: metadata };
  const scopes = metadata === undefined || scope.length === 0 ? {} : { scope: scope.join(" ") };
  const parts = Object.entries({ realm: "mcp-stack", ...error, ...scopes, ...hints });
  return `Bearer ${parts.map(([name, value]) => `${name}="${value.replaceAll(/["\\]/g, "")}"`).join(", ")}`;
}

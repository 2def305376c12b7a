/** What upstreams are told of callers, and what of their requests is passed on, as it is set. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import type { TargetRules } from "./federation/index.ts";
import type { Log } from "./telemetry/index.ts";
import { type IdentityOptions, unusedNames } from "./upstreams/index.ts";

export function targetRules(settings: Settings): Required<TargetRules> {
  return {
    callTimeoutMs: settings.TOOL_TIMEOUT * 1000,
    passthrough: {
      enabled: settings.ENABLE_HEADER_PASSTHROUGH,
      defaults: settings.DEFAULT_PASSTHROUGH_HEADERS,
      source: settings.PASSTHROUGH_HEADERS_SOURCE,
      overwrites: settings.ENABLE_OVERWRITE_BASE_HEADERS,
      sensitive: settings.ENABLE_SENSITIVE_HEADER_PASSTHROUGH,
      reserved: settings.IDENTITY_PROPAGATION_HEADERS_PREFIX.toLowerCase(),
    },
    tellsIdentity: settings.IDENTITY_PROPAGATION_ENABLED,
  };
}

export function identityOptions(settings: Settings, issuer: string): IdentityOptions {
  return {
    prefix: settings.IDENTITY_PROPAGATION_HEADERS_PREFIX,
    signs: settings.IDENTITY_SIGN_CLAIMS,
    secret: settings.IDENTITY_CLAIMS_SECRET,
    issuer,
  };
}

/** Names on the allow-list that are not passed on all the same, and why: said once, at the start. */
export function warnOfUnpassed(settings: Settings, log: Log): void {
  const names = unusedNames(targetRules(settings).passthrough);
  if (!settings.ENABLE_HEADER_PASSTHROUGH || names.length === 0) return;
  log.warn("headers of the allow-list are not passed on", {
    setting: "DEFAULT_PASSTHROUGH_HEADERS",
    names: names.join("; "),
    remedy: "a caller's credentials for an upstream go in X-Upstream-Authorization",
  });
}

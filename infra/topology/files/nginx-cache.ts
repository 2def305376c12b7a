/**
 * The caches of nginx. Nothing is stored but what the gateway marks with X-Accel-Expires: a number of seconds, or the word `zone` for as
 * long as the plan's zone says; and nothing without the identity that the gateway returns for the caller. The key holds that identity,
 * never a credential.
 */
import type { Plan } from "../../../contract/plan.ts";
import { block, type Directive, directive, duration, quotedArgument, wholeSeconds } from "./nginx-text.ts";
import type { NginxPlace } from "./place.ts";
import { fileOf, pathOf } from "./writing.ts";

export type ZoneName = "static" | "api" | "schema" | "admin";
const ZONES: readonly ZoneName[] = ["static", "api", "schema", "admin"];

/** nginx: a key takes 128 bytes of a zone, 8 000 to the MiB; an answer without a body takes one block of disk. */
const KEYS_PER_MIB = 8000;
const BLOCK_KIB = 4;
/** Who waits for somebody else's answer asks himself after this: it may turn out to be one that is not kept. */
const LOCK_WAIT_S = 1;

/** Directives of the http block: where the caches live, and what decides whether an answer goes there. */
export function cacheZones({ nginx }: Plan, place: NginxPlace): readonly Directive[] {
  const directory = pathOf("nginx.directories.cache", place.directories.cache);
  return [
    ...ZONES.map((name) => {
      const zone = nginx.zones[name];
      return zonePath(directory, name, zone.keysMiB, zone.maxSizeMiB, zone.inactiveS);
    }),
    ...(keepsIdentities(nginx, place) ? [identityZone(nginx, directory)] : []),
    directive("proxy_cache_lock", "on"),
    directive("proxy_cache_lock_timeout", duration(LOCK_WAIT_S)),
    directive("proxy_cache_use_stale", "updating", "error", "timeout", "http_500", "http_502", "http_503", "http_504"),
    directive("proxy_cache_background_update", "on"),
    "# The gateway says with X-Accel-Expires alone what may be kept; for everybody else it says private.",
    directive("proxy_ignore_headers", "Cache-Control", "Expires", "Vary"),
    block("map $upstream_http_x_accel_expires $is_unmarked", [directive('""', 1), directive("default", '""')]),
    block("map $cache_identity $is_nameless", [directive('""', 1), directive("default", '""')]),
  ];
}

function zonePath(directory: string, name: string, keysMiB: number, sizeMiB: number, inactiveS: number): string {
  const limits = [
    `keys_zone=${name}:${keysMiB}m`,
    `max_size=${sizeMiB}m`,
    `inactive=${wholeSeconds(Math.max(1, inactiveS))}`,
  ];
  return directive("proxy_cache_path", `${directory}/${name}`, "levels=1:2", ...limits, "use_temp_path=off");
}

/** One for each credential at each address: about as many as addresses whose requests are limited, and 128 bytes each like those. */
function identityZone({ zones, identityTtlS }: Plan["nginx"], directory: string): string {
  const keysMiB = zones.requestLimitMiB;
  return zonePath(directory, "identity", keysMiB, Math.ceil((keysMiB * KEYS_PER_MIB * BLOCK_KIB) / 1024), identityTtlS);
}

/** Below a second nginx cannot keep anything for so short. */
function keepsIdentities({ identityTtlS }: Plan["nginx"], place: NginxPlace): boolean {
  return place.credentialDigest !== null && identityTtlS >= 1;
}

/** What a cached location adds to a proxied one. */
export function cachedBy(name: ZoneName, { nginx }: Plan, place: NginxPlace): readonly Directive[] {
  const encoding = place.isCompressing ? "" : " $accepted_encoding";
  return [
    "# Whom the check refuses, or cannot tell, the gateway answers itself.",
    directive("error_page", 401, 403, 418, 500, "=", "@uncached"),
    block("if ($request_method !~ ^(?:GET|HEAD)$)", [directive("return", 418)]),
    directive("auth_request", "/_auth"),
    directive("auth_request_set", "$cache_identity", "$upstream_http_x_cache_identity"),
    directive("proxy_buffering", "on"),
    directive("proxy_cache", name),
    directive(
      "proxy_cache_key",
      quotedArgument(`$request_method $forwarded_proto $http_host $request_uri $cache_identity${encoding}`),
    ),
    directive("proxy_cache_valid", 200, wholeSeconds(Math.max(1, nginx.zones[name].validS))),
    "# An answer to another origin carries that origin's permission: those go past the cache.",
    directive("proxy_cache_bypass", "$is_nameless", "$http_origin"),
    directive("proxy_no_cache", "$is_unmarked", "$is_nameless", "$http_origin"),
  ];
}

/** To the group of gateways, in what they speak. */
export function passOn({ gatewayTls }: NginxPlace): string {
  return directive("proxy_pass", gatewayTls === null ? "http://gateway" : "https://gateway");
}

/** Who is asking: 204 with X-Cache-Identity, or 401 or 403. Kept for a moment where the credential's digest can be the key. */
export function identityCheck(plan: Plan, place: NginxPlace, headers: readonly Directive[]): Directive {
  const kept = [
    directive("proxy_buffering", "on"),
    directive("proxy_cache", "identity"),
    "# A token may be good from one address and not from another.",
    directive("proxy_cache_key", quotedArgument("$http_host $remote_addr $credential_digest")),
    directive("proxy_cache_valid", 204, wholeSeconds(plan.nginx.identityTtlS)),
    directive("proxy_cache_lock", "off"),
    directive("proxy_cache_use_stale", "off"),
    directive("proxy_cache_background_update", "off"),
    directive("proxy_ignore_headers", "Cache-Control", "Expires", "Vary", "X-Accel-Expires", "Set-Cookie"),
  ];
  return block("location = /_auth", [
    directive("internal"),
    passOn(place),
    ...headers,
    directive("proxy_pass_request_body", "off"),
    directive("proxy_set_header", "Content-Length", '""'),
    ...(keepsIdentities(plan.nginx, place) ? kept : []),
  ]);
}

/**
 * The script of `credentialDigest`; nginx has no digest of its own that is long enough to tell callers apart safely. Written for the
 * module's old language too (njs 0.7 knows no destructuring).
 */
export function renderCredentialScript(): string {
  return fileOf([
    'import crypto from "crypto";',
    "",
    "// JSON keeps the two apart: no header can be written so that it looks like another pair.",
    "function digest(request) {",
    '  var credential = JSON.stringify([request.headersIn.Authorization || "", request.headersIn.Cookie || ""]);',
    '  return crypto.createHash("sha256").update(credential).digest("hex");',
    "}",
    "",
    "export default { digest };",
  ]);
}

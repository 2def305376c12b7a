/** Which names are meant for this program, and what somebody who mistyped one most likely meant. */
import { editDistance } from "../../contract/nearest.ts";
import {
  isSecretName,
  isSettingName,
  type SecretName,
  type SettingName,
  secretFileName,
  secretNames,
  settingNames,
  settingOf,
} from "../../contract/settings.ts";

/** Unmistakably ours or the sources': an unknown name that starts so is refused, since it would silently do nothing. */
export const OWN_PREFIXES = [
  "MCPGATEWAY_",
  "GUNICORN_",
  "GRANIAN_",
  "HTTPX_",
  "DB_POOL_",
  "UPSTREAM_",
  "STDIO_",
  "SSE_",
  "REPLAY_",
  "GATEWAY_",
];
/**
 * How settings begin (`STREAM_`, `LOG_`, `MCP_`). Other programs use some of these too (SESSION_MANAGER, REDIS_HOST, JWT_TOKEN,
 * DB_HOST, MCP_TIMEOUT), so an unknown name that starts so is refused only where it looks mistyped.
 */
const SETTING_PREFIXES: ReadonlySet<string> = new Set(
  settingNames.filter((name) => name.includes("_")).map((name) => name.slice(0, name.indexOf("_") + 1)),
);
const MISTYPED_EDITS = 2;

/** Kubernetes puts addresses of services into every container's environment; a service may be called `redis`. */
const SERVICE_LINK =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)$/;

const aliases: ReadonlyMap<string, SettingName> = new Map(
  settingNames.flatMap((name) => (settingOf(name).aliases ?? []).map((alias): [string, SettingName] => [alias, name])),
);

const FILE_SUFFIX = "_FILE";
const KNOWN_NAMES: readonly string[] = [...settingNames, ...aliases.keys(), ...secretNames.map(secretFileName)];

/** The setting a name stands for, itself or through an alias. */
export function settingNamed(name: string): SettingName | undefined {
  return isSettingName(name) ? name : aliases.get(name);
}

/** The secret whose file a name holds (`JWT_SECRET_KEY_FILE`), itself or through an alias. */
export function secretOfFile(name: string): SecretName | undefined {
  const setting = name.endsWith(FILE_SUFFIX) ? settingNamed(name.slice(0, -FILE_SUFFIX.length)) : undefined;
  return setting !== undefined && isSecretName(setting) ? setting : undefined;
}

/** `nearest`: a setting, a name of the sources for one, or the name of a secret's file. */
export type UnknownName = { readonly verdict: "refuse"; readonly nearest: string } | { readonly verdict: "ignore" };

const IGNORED: UnknownName = { verdict: "ignore" };

export function judgeUnknown(name: string): UnknownName {
  const isOwn = OWN_PREFIXES.some((prefix) => name.startsWith(prefix));
  // First of all what costs little: most of an environment is nobody's mistake.
  if (!isOwn && !SETTING_PREFIXES.has(name.slice(0, name.indexOf("_") + 1))) return IGNORED;
  if (SERVICE_LINK.test(name) && !isSettingName(name)) return IGNORED;
  const [nearest, edits] = nearestSetting(name);
  return isOwn || edits <= MISTYPED_EDITS ? { verdict: "refuse", nearest } : IGNORED;
}

function nearestSetting(name: string): [string, number] {
  let best: [string, number] = ["HOST", Infinity];
  for (const candidate of KNOWN_NAMES) {
    // It takes as many edits at least.
    if (Math.abs(candidate.length - name.length) >= best[1]) continue;
    const edits = editDistance(name, candidate);
    if (edits < best[1]) best = [candidate, edits];
  }
  return best;
}

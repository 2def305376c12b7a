/** Which names are meant for this program, and what somebody who mistyped one most likely meant. */
import { editDistance } from "../../contract/nearest.ts";
import { isSettingName, type SettingName, settingNames, settingOf } from "../../contract/settings.ts";

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

/** The setting a name stands for, itself or through an alias. */
export function settingNamed(name: string): SettingName | undefined {
  return isSettingName(name) ? name : aliases.get(name);
}

export type UnknownName = { readonly verdict: "refuse" | "ignore"; readonly nearest: SettingName };

export function judgeUnknown(name: string): UnknownName {
  const [nearest, edits] = nearestSetting(name);
  if (SERVICE_LINK.test(name) && !isSettingName(name)) return { verdict: "ignore", nearest };
  const isOwn = OWN_PREFIXES.some((prefix) => name.startsWith(prefix));
  const isMistyped = edits <= MISTYPED_EDITS && SETTING_PREFIXES.has(name.slice(0, name.indexOf("_") + 1));
  return { verdict: isOwn || isMistyped ? "refuse" : "ignore", nearest };
}

function nearestSetting(name: string): [SettingName, number] {
  let best: [SettingName, number] = ["HOST", Infinity];
  for (const candidate of settingNames) {
    const edits = editDistance(name, candidate);
    if (edits < best[1]) best = [candidate, edits];
  }
  return best;
}

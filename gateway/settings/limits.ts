/** What RATE_LIMITS, QUOTAS, TRUSTED_PROXIES and TOOL_PIN_FLAGS say that no single value's type can. */
import ipaddr from "ipaddr.js";
import { LIMIT_FORM, limitRule, QUOTA_FORM, quotaRule, SUBJECTS } from "../../contract/limit-rules.ts";
import type { SettingName, Settings } from "../../contract/settings.ts";
import { SUSPICIONS } from "../mcp/index.ts";

type Places = Readonly<Record<SettingName, string>>;

export function limitProblems(settings: Settings, places: Places): readonly string[] {
  const subjects = `with the subjects ${SUBJECTS.join(", ")}, address only alone`;
  return [
    ...settings.RATE_LIMITS.filter((entry) => limitRule(entry) === undefined).map(
      (entry) =>
        `RATE_LIMITS has ${JSON.stringify(entry)}, allowed is ${LIMIT_FORM} ${subjects} (${places.RATE_LIMITS})`,
    ),
    ...settings.QUOTAS.filter((entry) => quotaRule(entry) === undefined).map(
      (entry) => `QUOTAS has ${JSON.stringify(entry)}, allowed is ${QUOTA_FORM} ${subjects} (${places.QUOTAS})`,
    ),
    ...doubles(settings.RATE_LIMITS, (entry) => periodOf(limitRule(entry), "periodMs")).map(
      ([first, second]) => `RATE_LIMITS has ${counted(first, second)} (${places.RATE_LIMITS})`,
    ),
    ...doubles(settings.QUOTAS, (entry) => periodOf(quotaRule(entry), "period")).map(
      ([first, second]) => `QUOTAS has ${counted(first, second)} (${places.QUOTAS})`,
    ),
    ...settings.TRUSTED_PROXIES.filter((entry) => entry !== "unix" && !isNetwork(entry)).map(
      (entry) =>
        `TRUSTED_PROXIES has ${JSON.stringify(entry)}, allowed is an address, a network in CIDR form, or unix (${places.TRUSTED_PROXIES})`,
    ),
    ...settings.TOOL_PIN_FLAGS.filter((entry) => !(SUSPICIONS as readonly string[]).includes(entry)).map(
      (entry) =>
        `TOOL_PIN_FLAGS has ${JSON.stringify(entry)}, allowed are ${SUSPICIONS.join(", ")} (${places.TOOL_PIN_FLAGS})`,
    ),
  ];
}

/** What a counter is found by; undefined for what is no rule. */
function periodOf<Key extends string>(rule: ({ name: string } & Record<Key, unknown>) | undefined, key: Key) {
  return rule === undefined ? undefined : `${rule.name}/${rule[key]}`;
}

/** Entries with the same key as one before them, with that one. */
function doubles(entries: readonly string[], keyOf: (entry: string) => string | undefined): [string, string][] {
  const known = new Map<string, string>();
  const found: [string, string][] = [];
  for (const entry of entries) {
    const key = keyOf(entry);
    if (key === undefined) continue;
    const first = known.get(key);
    if (first === undefined) known.set(key, entry);
    else found.push([first, entry]);
  }
  return found;
}

function counted(first: string, second: string): string {
  return `${JSON.stringify(first)} and ${JSON.stringify(second)}, allowed is one number for a subject and a period: they would share one counter`;
}

function isNetwork(text: string): boolean {
  return text.includes("/") ? ipaddr.isValidCIDR(text) : ipaddr.isValid(text);
}

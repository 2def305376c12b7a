/**
 * Values of settings as environment text. The gateway reads that text back as the same values, so that whoever writes the environment of
 * a gateway goes through here and through nothing else.
 */
import { createHash } from "node:crypto";
import { type SettingName, type Settings, settingNames, settingOf } from "./settings.ts";

export type SettingValue = string | number | boolean | readonly string[];

/** Text that the gateway reads back as the same value: a number in the setting's own unit, a list with commas or as JSON. */
export function encodeValue(value: SettingValue): string {
  if (typeof value !== "object") return String(value);
  const isPlain = value.every((part) => part !== "" && part === part.trim() && !/[,[]/.test(part));
  return isPlain && value.length > 0 ? value.join(",") : JSON.stringify(value);
}

/** Environment text under the settings' names, in the order of their declaration. Undefined values are left out. */
export function encodeSettings(values: Partial<Settings>): Record<string, string> {
  const text: Record<string, string> = {};
  for (const name of settingNames) {
    const value = values[name];
    if (value !== undefined) text[name] = encodeValue(value);
  }
  return text;
}

/** What every replica of a deployment has to have the same: no secrets, which nobody shall see, and nothing of one process alone. */
export const sharedSettings: readonly SettingName[] = settingNames.filter((name) => {
  const { type, secret, perProcess } = settingOf(name);
  // A path says where something lies on one machine, not what it is.
  return type !== "path" && secret !== true && perProcess !== true;
});

/**
 * 16 hexadecimal digits over the effective values of the shared settings: `values` as encodeSettings writes them, the declared default for
 * each that is missing or empty. So what a gateway tells of itself and what somebody works out from the environment that he has given to
 * it are equal exactly when it runs with that environment. Names that are no settings do not count.
 */
export function settingsFingerprint(values: Readonly<Record<string, string | undefined>>): string {
  const effective = sharedSettings.map((name) => [name, values[name] || defaultText(name)]);
  return createHash("sha256").update(JSON.stringify(effective)).digest("hex").slice(0, 16);
}

/** Empty for a default that is only known at the start: no environment holds it. */
function defaultText(name: SettingName): string {
  const value = settingOf(name).default;
  return value === null ? "" : encodeValue(value);
}

/**
 * Values of settings as environment text. The gateway reads that text back as the same values, so that whoever writes the environment of
 * a gateway goes through here and through nothing else.
 */
import { type Settings, settingNames } from "./settings.ts";

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

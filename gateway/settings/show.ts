/** Settings for people: every value with where it came from, without secrets. */
import { encodeValue } from "../../contract/setting-values.ts";
import { type Settings, settingNames, settingOf } from "../../contract/settings.ts";
import type { Provenance } from "./load.ts";
import { redactValue } from "./values.ts";

/** Every setting as text that may be shown. What is not set reads `(its stand-in)`. */
export function redacted(settings: Settings): Record<string, string> {
  return Object.fromEntries(
    settingNames.map((name) => {
      const value = settings[name];
      const declaration = settingOf(name);
      if (value === undefined) return [name, `(${declaration.computed ?? "not set"})`];
      return [name, redactValue(declaration, encodeValue(value))];
    }),
  );
}

/** A table: name, value, unit, source. Ends with a line feed. */
export function printSettings(settings: Settings, provenance: Provenance): string {
  const shown = redacted(settings);
  const rows = settingNames.map((name) => {
    const declaration = settingOf(name);
    const unit = settings[name] !== undefined && "unit" in declaration ? ` ${declaration.unit}` : "";
    return [name, `${shown[name]}${unit}`, provenance[name]] as const;
  });
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const valueWidth = Math.min(48, Math.max(...rows.map(([, value]) => value.length)));
  return rows
    .map(([name, value, place]) => `${name.padEnd(nameWidth)}  ${value.padEnd(valueWidth)}  ${place}\n`)
    .join("");
}

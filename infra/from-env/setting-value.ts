/** Whether this gateway could take a setting's value over as it stands. A reason never repeats the value. */
import { type SettingName, settingOf } from "../../contract/settings.ts";
import { decimal } from "./quantity.ts";

/** What the value has to be; undefined where it is that. Full checks are the gateway's when it starts. */
export function valueProblem(name: SettingName, text: string): string | undefined {
  const declaration = settingOf(name);
  switch (declaration.type) {
    case "enum": {
      const allowed = [...declaration.allowed, ...Object.keys(declaration.synonyms ?? {})];
      const isAllowed = allowed.some((word) => word.toLowerCase() === text.trim().toLowerCase());
      return isAllowed ? undefined : `it has to be one of ${declaration.allowed.join(", ")}`;
    }
    case "url": {
      const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text.trim())?.[1]?.toLowerCase();
      return scheme !== undefined && declaration.schemes.includes(scheme)
        ? undefined
        : `it has to begin with ${declaration.schemes.map((one) => `${one}://`).join(" or ")}`;
    }
    case "integer":
    case "number":
    case "duration": {
      const value = decimal(text);
      if (value === undefined) return undefined;
      const { min = -Infinity, max = Infinity } = declaration;
      return value < min || value > max ? `it has to be between ${min} and ${max}` : undefined;
    }
    case "string":
      return declaration.pattern === undefined || new RegExp(declaration.pattern).test(text)
        ? undefined
        : `it has to match ${declaration.pattern}`;
    default:
      return undefined;
  }
}

/** `--what-if path=value`: the inputs with other values, still as somebody would write them. */
import { nearestOf } from "../contract/nearest.ts";
import { inputFields, planLeaves } from "../infra/sizing/index.ts";
import { UsageError } from "./command.ts";
import { isRecord, parse } from "./stack.ts";

/** A copy of `raw` with each `path=value` put in; paths of inputs, or of the plan's numbers, which are then pinned. */
export function applyWhatIf(raw: unknown, settings: readonly string[]): unknown {
  return settings.reduce<unknown>((changed, setting) => {
    const [, path = "", value = ""] = /^([^=]*)=(.*)$/s.exec(setting) ?? [];
    if (path === "" || value === "")
      throw new UsageError(`--what-if takes path=value such as load.peakRps=6000, not ${JSON.stringify(setting)}`);
    return put(changed, path, value);
  }, raw);
}

function put(raw: unknown, path: string, value: string): unknown {
  const name = path.replace(/^(?:given|input)\./, "");
  const isInput = inputFields.has(name) && !path.startsWith("given.");
  if (isInput && !(isPinned(raw, name) && !path.startsWith("input.")))
    return set(raw, name.split("."), typedValue(name, value));
  if (!planLeaves.has(name)) throw new UsageError(unknownPath(path));
  const pins = isRecord(raw) ? raw.given : undefined;
  const others = without(pins, name.split("."));
  return set(raw, ["given"], { ...(isRecord(others) ? others : {}), [name]: parse(value, path) });
}

/** A pinned number hides the input of the same name. */
function isPinned(raw: unknown, name: string): boolean {
  const pins = isRecord(raw) ? raw.given : undefined;
  if (!isRecord(pins)) return false;
  return Object.hasOwn(pins, name) || without(pins, name.split(".")) !== pins;
}

/** Versions are text, even where they look like a number. */
function typedValue(name: string, value: string): unknown {
  return inputFields.get(name)?.kind === "version" ? value : parse(value, name);
}

function set(part: unknown, [name = "", ...rest]: readonly string[], value: unknown): unknown {
  const record = isRecord(part) ? part : {};
  return { ...record, [name]: rest.length === 0 ? value : set(record[name], rest, value) };
}

/** Pins may be nested or dotted; the nested one goes. The same object where there is none. */
function without(part: unknown, [name = "", ...rest]: readonly string[]): unknown {
  if (!isRecord(part) || !Object.hasOwn(part, name)) return part;
  const { [name]: inner, ...others } = part;
  if (rest.length === 0) return others;
  const left = without(inner, rest);
  return left === inner ? part : { ...others, [name]: left };
}

function unknownPath(path: string): string {
  const nearest = nearestOf(path.replace(/^(?:given|input)\./, ""), [...inputFields.keys(), ...planLeaves.keys()]);
  return `--what-if ${JSON.stringify(path.slice(0, 100))} is neither an input nor a number of the plan; the nearest is ${nearest}`;
}

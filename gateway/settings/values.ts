/** Text of one setting to its value. A problem says what is allowed and never repeats the value. */
import { resolve } from "node:path";
import type { SettingValue } from "../../contract/setting-values.ts";
import type { SettingDeclaration } from "../../contract/settings.ts";
import { parseUrl, redactUrl } from "./urls.ts";

export type Parsed = { readonly value: SettingValue } | { readonly problem: string };

const NUMBER = /^[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?$/i;
const MILLISECONDS = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES: Readonly<Record<string, number>> = { "": 1, b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 };
const BOOLEANS: Readonly<Record<string, boolean>> = {
  true: true,
  false: false,
  "1": true,
  "0": false,
  yes: true,
  no: false,
  on: true,
  off: false,
};

/** `directory` is what relative paths are relative to. */
export function parseValue(declaration: SettingDeclaration, text: string, directory: string): Parsed {
  if (text.includes("\0")) return { problem: "text without NUL" };
  switch (declaration.type) {
    case "integer":
    case "number":
    case "duration":
    case "bytes":
      return parseNumber(declaration, text.trim());
    case "boolean": {
      const value = BOOLEANS[text.trim().toLowerCase()];
      return value === undefined ? { problem: "true or false (1/0, yes/no, on/off)" } : { value };
    }
    case "enum": {
      const word = text.trim().toLowerCase();
      const found = [...declaration.allowed, ...Object.keys(declaration.synonyms ?? {})].find(
        (allowed) => allowed.toLowerCase() === word,
      );
      if (found === undefined) return { problem: `one of ${declaration.allowed.join(", ")}` };
      return { value: declaration.synonyms?.[found] ?? found };
    }
    case "list":
      return parseList(text);
    case "path":
      return { value: resolve(directory, text) };
    case "url":
      return parseUrl(declaration, text.trim());
    case "keyring":
      return parseKeyRing(text);
    case "string":
    case "secret":
      return parseText(declaration, text);
  }
}

function parseNumber(
  declaration: Extract<SettingDeclaration, { type: "integer" | "number" | "duration" | "bytes" }>,
  text: string,
): Parsed {
  if (isAuto(declaration) && text.toLowerCase() === "auto") return { value: "auto" };
  const problem = { problem: `${allowedNumber(declaration)}${isAuto(declaration) ? ", or auto" : ""}` };
  const value = numberOf(declaration, text);
  if (value === undefined || !Number.isFinite(value)) return problem;
  if (declaration.type !== "number" && declaration.type !== "duration" && !Number.isSafeInteger(value)) return problem;
  if (value < (declaration.min ?? -Infinity) || value > (declaration.max ?? Infinity)) return problem;
  return { value: value === 0 ? 0 : value };
}

function isAuto(declaration: SettingDeclaration): boolean {
  return declaration.type === "integer" && declaration.auto === true;
}

function numberOf(
  declaration: Extract<SettingDeclaration, { type: "integer" | "number" | "duration" | "bytes" }>,
  text: string,
): number | undefined {
  if (NUMBER.test(text)) return Number(text);
  const [, digits = "", suffix = ""] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/i.exec(text) ?? [];
  if (digits === "") return undefined;
  if (declaration.type === "bytes") {
    const factor = Object.hasOwn(BYTES, suffix.toLowerCase()) ? BYTES[suffix.toLowerCase()] : undefined;
    return factor === undefined ? undefined : Number(digits) * factor;
  }
  if (declaration.type !== "duration") return undefined;
  const unit = durationUnit(suffix.toLowerCase());
  return unit === undefined ? undefined : (Number(digits) * MILLISECONDS[unit]) / MILLISECONDS[declaration.unit];
}

function durationUnit(text: string): keyof typeof MILLISECONDS | undefined {
  return text === "ms" || text === "s" || text === "m" || text === "min" || text === "h" || text === "d"
    ? text
    : undefined;
}

function allowedNumber(
  declaration: Extract<SettingDeclaration, { type: "integer" | "number" | "duration" | "bytes" }>,
): string {
  const examples = {
    integer: "a whole number",
    number: "a number",
    duration: `a duration in ${declaration.type === "duration" ? declaration.unit : ""} or with a unit (250ms, 30s, 5m, 2h)`,
    bytes: "whole bytes or a size such as 512KiB or 4MiB",
  };
  return `${examples[declaration.type]}${allowedRange(declaration)}`;
}

/** ` from 1 to 10`, ` of at least 1`, or nothing. */
export function allowedRange(bounds: { readonly min?: number; readonly max?: number }): string {
  if (bounds.min !== undefined && bounds.max !== undefined) return ` from ${bounds.min} to ${bounds.max}`;
  if (bounds.min !== undefined) return ` of at least ${bounds.min}`;
  return bounds.max === undefined ? "" : ` of at most ${bounds.max}`;
}

function parseList(text: string): Parsed {
  if (!text.trimStart().startsWith("["))
    return {
      value: text
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== ""),
    };
  const problem = { problem: "a comma-separated list or a JSON array of strings" };
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((part) => typeof part === "string") ? { value } : problem;
  } catch {
    return problem;
  }
}

/** Shape only; the room that uses the ring derives the keys. */
function parseKeyRing(text: string): Parsed {
  const problem = {
    problem: "a key ring id:base64(32 bytes),… with distinct ids, or a passphrase of at least 32 characters",
  };
  const parts = text.split(",").map((part) => /^([A-Za-z0-9_-]{1,16}):([A-Za-z0-9+/_-]+={0,2})$/.exec(part.trim()));
  if (parts.includes(null)) return text.length < 32 ? problem : { value: text };
  if (parts.some((part) => Buffer.from(part?.[2] ?? "", "base64").length !== 32)) return problem;
  return new Set(parts.map((part) => part?.[1])).size === parts.length ? { value: text } : problem;
}

function parseText(declaration: Extract<SettingDeclaration, { type: "string" | "secret" }>, text: string): Parsed {
  const bytes = Buffer.byteLength(text);
  if (bytes < (declaration.min ?? 1) || bytes > (declaration.max ?? 65_536))
    return { problem: `text${allowedRange({ min: declaration.min ?? 1, max: declaration.max ?? 65_536 })} bytes` };
  const { pattern } = declaration;
  return pattern === undefined || new RegExp(pattern, "u").test(text)
    ? { value: text }
    : { problem: `text like ${pattern}` };
}

/** How a value may be shown: nothing of a secret; of a secret URL, where it points. */
export function redactValue(declaration: SettingDeclaration, text: string): string {
  if (declaration.secret !== true) return text;
  return declaration.type === "url" ? redactUrl(declaration, text) : "(hidden)";
}

/** Placeholders of hosted prompts and resource templates: names that are replaced by text, and nothing that could be evaluated. */
import { fault } from "../../contract/errors.ts";

/** Bytes are not known before encoding; characters bound them well enough. */
const MAX_FILLED = 4 * 1024 * 1024;
export const MAX_URI = 8192;

/** What stands between `{{` and `}}`, in order; one entry per name. */
export function promptPlaceholders(template: string): string[] {
  return [...new Set([...template.matchAll(/\{\{([^{}]*)\}\}/g)].map(([, name = ""]) => name.trim()))];
}

/** `{{ name }}` by its value, nothing where there is none. Throws MCPS_PARAMS when the text becomes too long. */
export function fillPrompt(template: string, values: ReadonlyMap<string, string>): string {
  return filled("prompts/get", template, /\{\{([^{}]*)\}\}/g, (name) => values.get(name.trim()) ?? "");
}

/** `{name}` by its value; braces around anything else stay. Throws MCPS_PARAMS when the text becomes too long. */
export function fillContent(content: string, values: ReadonlyMap<string, string>): string {
  return filled("resources/read", content, /\{([A-Za-z0-9_]+)\}/g, (name, whole) => values.get(name) ?? whole);
}

function filled(
  method: string,
  text: string,
  pattern: RegExp,
  textOf: (name: string, whole: string) => string,
): string {
  const pieces: string[] = [];
  let length = 0;
  let at = 0;
  const add = (piece: string) => {
    length += piece.length;
    if (length > MAX_FILLED) throw fault("MCPS_PARAMS", { method, reason: `more than ${MAX_FILLED} characters` });
    pieces.push(piece);
  };
  for (const match of text.matchAll(pattern)) {
    add(text.slice(at, match.index));
    add(textOf(match[1] ?? "", match[0]));
    at = match.index + match[0].length;
  }
  add(text.slice(at));
  return pieces.join("");
}

type Parts = { readonly literals: readonly string[]; readonly names: readonly string[] };

function partsOf(uriTemplate: string): Parts {
  const pieces = uriTemplate.split(/\{([^{}]*)\}/);
  return {
    literals: pieces.filter((_, index) => index % 2 === 0),
    names: pieces.filter((_, index) => index % 2 === 1),
  };
}

/** Why a text is no URI template of level 1 (RFC 6570 §1.2) that can be read backwards; undefined when it is one. */
export function templateProblem(uriTemplate: string): string | undefined {
  const { literals, names } = partsOf(uriTemplate);
  const [head = ""] = literals;
  if (names.length === 0) return "needs a variable such as {name}; without one it is a uri";
  const bad = names.find((name) => !/^[A-Za-z0-9_]{1,64}$/.test(name));
  if (bad !== undefined) return `{${bad}} is not a variable of letters, digits and _`;
  if (new Set(names).size < names.length) return "a variable stands twice";
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:/.test(head)) return "has to begin with a scheme such as docs:";
  if (literals.slice(1, -1).some((literal) => literal === "")) return "needs something between two variables";
  return undefined;
}

/**
 * The values with which a template gives this URI, percent-decoded; undefined when it cannot. A value is not empty, ends at the
 * first place where what follows it stands, and contains none of `/?#`, which level 1 would have encoded.
 */
export function expansionOf(uriTemplate: string, uri: string): ReadonlyMap<string, string> | undefined {
  const { literals, names } = partsOf(uriTemplate);
  const [head = "", ...rest] = literals;
  if (uri.length > MAX_URI || !uri.startsWith(head)) return undefined;
  const values = new Map<string, string>();
  let at = head.length;
  for (const [index, literal] of rest.entries()) {
    const isLast = index === rest.length - 1;
    const end = isLast ? uri.length - literal.length : uri.indexOf(literal, at + 1);
    if (end <= at || (isLast && !uri.endsWith(literal))) return undefined;
    const value = decoded(uri.slice(at, end));
    if (value === undefined) return undefined;
    values.set(names[index] ?? "", value);
    at = end + literal.length;
  }
  return values;
}

function decoded(value: string): string | undefined {
  if (/[/?#]/.test(value)) return undefined;
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}

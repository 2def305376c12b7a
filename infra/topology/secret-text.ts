/**
 * Texts with secrets in them, before anybody knows the secrets: a marker stands where a value will. Whatever makes the values puts them in
 * last, into a file that only its reader can read.
 */

/** How the place wants the value: as it is, percent-encoded for a URL, or with single quotes doubled for SQL. */
export type SecretEncoding = "plain" | "url" | "sql";

const MARKER = /\{\{secret:([a-z0-9-]+):(plain|url|sql)\}\}/g;

/** What stands for the secret `name` (lower-case letters, digits, dashes) until it is known. */
export function secretMarker(name: string, encoding: SecretEncoding = "plain"): string {
  return `{{secret:${name}:${encoding}}}`;
}

/** Names of the secrets in a text, each once, in the order of their first mention. */
export function secretsIn(text: string): readonly string[] {
  return [...new Set([...text.matchAll(MARKER)].map(([, name = ""]) => name))];
}

/** The text with the values in place. Throws RangeError with the name, never a value, where one is missing or holds a control character. */
export function resolveText(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(MARKER, (_, name: string, encoding: SecretEncoding) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined || value === "") throw new RangeError(`secret ${name} has no value`);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    if (/[\u0000-\u001f\u007f]/.test(value)) throw new RangeError(`secret ${name} holds a control character`);
    return ENCODED[encoding](value);
  });
}

const ENCODED: Readonly<Record<SecretEncoding, (value: string) => string>> = {
  plain: (value) => value,
  url: encodeURIComponent,
  sql: (value) => value.replaceAll("'", "''"),
};

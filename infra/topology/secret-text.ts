/**
 * Texts with secrets in them, before anybody knows the secrets: a marker stands where a value will. Whatever makes the values puts them in
 * last, into a file that only its reader can read.
 */

/** How the place wants the value: as it is, percent-encoded for a URL, with single quotes doubled for SQL, or the lines of a private key. */
export type SecretEncoding = "plain" | "url" | "sql" | "pem";

const MARKER = /\{\{secret:([a-z0-9-]+):(plain|url|sql|pem)\}\}/g;
/** RFC 7468 §2, of whatever kind the key is; a certificate in its place would be found out only by the handshake. */
const PRIVATE_KEY = /^-----BEGIN ((?!ENCRYPTED)[A-Z ]*PRIVATE KEY)-----\r?\n[A-Za-z0-9+/=\r\n]+-----END \1-----\s*$/;

/** What stands for the secret `name` (lower-case letters, digits, dashes) until it is known. */
export function secretMarker(name: string, encoding: SecretEncoding = "plain"): string {
  return `{{secret:${name}:${encoding}}}`;
}

/** Names of the secrets in a text, each once, in the order of their first mention. */
export function secretsIn(text: string): readonly string[] {
  return [...new Set([...text.matchAll(MARKER)].map(([, name = ""]) => name))];
}

/** The text with the values in place. Throws RangeError with the name, never a value, where one is missing or is not what its place takes. */
export function resolveText(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(MARKER, (_, name: string, encoding: SecretEncoding) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined || value === "") throw new RangeError(`secret ${name} has no value`);
    if (encoding === "pem") return privateKey(name, value);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    if (/[\u0000-\u001f\u007f]/.test(value)) throw new RangeError(`secret ${name} holds a control character`);
    return ENCODED[encoding](value);
  });
}

/** Without what may follow its last line; this is the only value that has several. */
function privateKey(name: string, value: string): string {
  if (!PRIVATE_KEY.test(value))
    throw new RangeError(`secret ${name} holds no private key as PEM, without a passphrase`);
  return value.trimEnd();
}

const ENCODED: Readonly<Record<Exclude<SecretEncoding, "pem">, (value: string) => string>> = {
  plain: (value) => value,
  url: encodeURIComponent,
  sql: (value) => value.replaceAll("'", "''"),
};

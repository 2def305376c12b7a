/** Secrets are taken out of whatever is written down: by the names of fields, and by what secrets look like. */

/** By the end of a field's name, so that `tokenCount` stays and `accessToken` goes. */
export const SECRET_FIELD =
  /(?:authorization|cookie|token|password|passwd|passphrase|secret|secrets|credentials?|api[-_]?key|private[-_]?key|signature|auth[-_]?value|code[-_]?verifier|otp)$/i;
/** Everything below such a field is a value that somebody may keep secret: headers and environments under names of their own. */
const SECRET_TREE = /^(?:auth[-_]?headers?|headers?|env|environment|passthrough[-_]?values?|client[-_]?auth)$/i;
export const REDACTED = "***";
const MAX_DEPTH = 8;
const MAX_TEXT = 2000;
const MAX_ITEMS = 100;

/** What is a secret by its form, whatever it is called: replaced where it stands in a text. */
const FORMS: readonly (readonly [RegExp, string])[] = [
  // A PEM block, whole or cut.
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, REDACTED],
  // RFC 7519: three parts of base64url, the first of which begins an object.
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, REDACTED],
  // RFC 9110 credentials; words of a sentence are shorter, or have no capital, digit or sign.
  [
    /\b([Bb]earer|BEARER|[Bb]asic|BASIC|[Tt]oken|Digest|Negotiate)\s+(?=[\w+/.~-]*[A-Z\d=_~+/])[\w+/.~=-]{8,}/g,
    `$1 ${REDACTED}`,
  ],
  [/\b(bearer|basic|token)\s+[\w+/.~=-]{20,}/gi, `$1 ${REDACTED}`],
  // RFC 3986 userinfo: up to the last @ before the host ends.
  [/\b([a-z][\w+.-]{0,30}:\/\/)[^\s/?#"']*@/gi, `$1${REDACTED}@`],
  [
    /([?&;](?:[\w.-]*(?:token|secret|password|passwd|api[-_]?key|key|signature|sig|code|auth))=)[^&;\s"'#]+/gi,
    `$1${REDACTED}`,
  ],
  // Keys that say what they are by their first letters.
  [
    /\b(?:sk|pk|rk|ghp|gho|ghs|ghu|github_pat|glpat|xox[abprs]|AKIA|ASIA|AIza|hf|npm)[-_]?[A-Za-z0-9_-]{16,}/g,
    REDACTED,
  ],
];

/** At most `max` characters and an ellipsis. */
export function redactText(text: string, max = MAX_TEXT): string {
  let safe = text.length > max ? `${text.slice(0, max)}…` : text;
  for (const [form, instead] of FORMS) safe = safe.replace(form, instead);
  return safe;
}

/**
 * redactText for texts that come again and again, as names of tools do: answers are remembered, up to `capacity` of them. Names of resources
 * are a caller's choice, so what is full is emptied rather than kept in order.
 */
export function rememberRedacted(capacity: number): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    let safe = known.get(text);
    if (safe === undefined) {
      safe = redactText(text);
      if (known.size >= capacity) known.clear();
      known.set(text, safe);
    }
    return safe;
  };
}

/** JSON data without its secrets; what is deeper or longer than anything of interest is cut. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value !== "object" || value === null) return typeof value === "bigint" ? String(value) : value;
  if (depth >= MAX_DEPTH) return "…";
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map((item) => redact(item, depth + 1));
    return value.length > MAX_ITEMS ? [...items, `… ${value.length - MAX_ITEMS} more`] : items;
  }
  const safe: Record<string, unknown> = {};
  for (const [name, inner] of Object.entries(value).slice(0, MAX_ITEMS)) {
    const isSecret = SECRET_FIELD.test(name) && inner !== null && inner !== "" && typeof inner !== "boolean";
    // A name may be a caller's too.
    safe[redactText(name)] = isSecret ? REDACTED : SECRET_TREE.test(name) ? masked(inner) : redact(inner, depth + 1);
  }
  return safe;
}

/** Names stay, values go. */
function masked(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value === null || value === "" ? value : REDACTED;
  if (Array.isArray(value)) return value.length === 0 ? [] : REDACTED;
  return Object.fromEntries(Object.keys(value).map((name) => [redactText(name), REDACTED]));
}

/** What no honest definition of a tool needs: text that people do not see and models read, and orders to a model. */

export const SUSPICIONS = ["invisible", "bidi", "tags", "ansi", "hidden-html", "instructions"] as const;
export type Suspicion = (typeof SUSPICIONS)[number];

/*
 * Joiners (U+200C, U+200D) and direction marks (U+200E, U+200F) are left out: Persian, Indic scripts, Hebrew, Arabic and emoji need them.
 * Variation selectors above U+E0100 carry bytes unseen; those below choose the form of a character and are left out as well.
 */
const SIGNS: Readonly<Record<Suspicion, RegExp>> = {
  invisible: /\u00ad|\u180e|\u200b|[\u2060-\u2064]|\ufeff|[\u{e0100}-\u{e01ef}]/u,
  bidi: /[\u202a-\u202e\u2066-\u2069]/u,
  tags: /[\u{e0000}-\u{e007f}]/u,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  ansi: /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\u009b]/u,
  "hidden-html": /<!--|<[a-z][^>]{0,200}(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0|\bhidden\b)/iu,
  instructions:
    /<\/?(?:important|system|secret|instructions?)>|\b(?:ignore|disregard|forget)\b.{0,20}\b(?:all|any|previous|prior|above|earlier)\b.{0,30}\b(?:instructions?|prompts?|rules?)\b|\b(?:do not|don't|never)\b.{0,20}\b(?:tell|mention|inform|notify|reveal)\b.{0,30}\buser\b/iu,
};

/** Which of `wanted` a canonical definition shows, in the order of SUSPICIONS. */
export function suspicionsOf(definition: string, wanted: readonly string[]): readonly Suspicion[] {
  const text = textOf(JSON.parse(definition), []).join("\n");
  return SUSPICIONS.filter((one) => wanted.includes(one) && SIGNS[one].test(text));
}

/** All strings, names of members too. */
function textOf(value: unknown, found: string[]): string[] {
  if (typeof value === "string") found.push(value);
  else if (Array.isArray(value)) for (const one of value) textOf(one, found);
  else if (typeof value === "object" && value !== null)
    for (const [name, member] of Object.entries(value)) {
      found.push(name);
      textOf(member, found);
    }
  return found;
}

/** Does a secret stand where it may be read: anywhere but in the data of a Secret. */
import type { Manifest } from "../manifest.ts";
import { type Finding, objectOf } from "./finding.ts";
import { type Tree, textsOf } from "./tree.ts";

export type SecretsContext = {
  /** The values, in clear. Those of less than eight characters are left out: they would be found in anything. */
  readonly secrets: readonly string[];
};

const SHORTEST = 8;

type Form = { readonly text: string; readonly how: string };

/**
 * Findings `secrets/leak`, which never show the value. Looked for as it is, in base64 (RFC 4648, both alphabets, at each of the three
 * offsets it can have within a longer text), in percent-encoding (RFC 3986) and as it stands within JSON.
 */
export function secrets(manifests: readonly Manifest[], context: SecretsContext): readonly Finding[] {
  const forms = [...new Set(context.secrets)].filter(({ length }) => length >= SHORTEST).flatMap(formsOf);
  return manifests.flatMap((manifest) => {
    const texts = [...textsOf(withoutData(manifest), "")];
    return texts.flatMap(({ at, text }) => {
      const found = forms.find((form) => text.includes(form.text));
      return found === undefined ? [] : [leak(manifest, at, found)];
    });
  });
}

/** What may be secret in a Secret is its data: neither their names nor its metadata are. */
function withoutData(manifest: Manifest): Tree {
  if (manifest.kind !== "Secret") return manifest;
  const { data, stringData, ...rest } = manifest;
  const keys = (value: unknown) => (typeof value === "object" && value !== null ? Object.keys(value) : []);
  return { ...rest, keys: [...keys(data), ...keys(stringData)] };
}

function leak(manifest: Manifest, field: string, { how }: Form): Finding {
  return {
    rule: "secrets/leak",
    object: objectOf(manifest),
    // A name that is a secret itself must not be printed either.
    field: field.endsWith(" (its name)") ? "the name of a key" : field,
    value: `a secret${how}`,
    allowed: "a reference to a Secret",
    why: "whoever may read this object, its history or a log of it may read the secret",
  };
}

function formsOf(secret: string): readonly Form[] {
  const encoded = [
    { text: secret, how: "" },
    { text: encodeURIComponent(secret), how: ", percent-encoded" },
    { text: JSON.stringify(secret).slice(1, -1), how: ", as JSON" },
    ...base64Forms(secret).map((text) => ({ text, how: ", in base64" })),
  ];
  return encoded.filter((form, index) => encoded.findIndex(({ text }) => text === form.text) === index);
}

/** The characters of base64 that only the secret's bytes decide, for each place within a group of three. */
function base64Forms(secret: string): readonly string[] {
  const bytes = Buffer.from(secret);
  const standard = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    const first = Math.ceil((offset * 8) / 6);
    const end = Math.floor(((offset + bytes.length) * 8) / 6);
    return text.slice(first, end);
  });
  return [...standard, ...standard.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"))];
}

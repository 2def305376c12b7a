/** Secrets in what is rendered: a repository of manifests must not hold them, and whoever applies it has to know what they are. */
import { type SecretDeclaration, secretsIn } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";

/** What a Secret has to hold before anything that mounts it can start. */
export type SecretRequirement = {
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  readonly keys: readonly {
    readonly key: string;
    /** The file's text, with markers where values belong. */
    readonly template: string;
    readonly values: readonly { readonly name: string; readonly why: string }[];
  }[];
};

export function withoutSecrets(manifests: readonly Manifest[]): readonly Manifest[] {
  return manifests.filter(({ kind }) => kind !== "Secret");
}

/** Throws RangeError where a text names a secret that nobody declares. */
export function secretRequirements(
  manifests: readonly Manifest[],
  declarations: readonly SecretDeclaration[],
): readonly SecretRequirement[] {
  return manifests
    .filter(({ kind }) => kind === "Secret")
    .map((secret) => ({
      namespace: secret.metadata.namespace ?? "default",
      name: secret.metadata.name,
      type: String(secret.type),
      keys: Object.entries(secretTexts(secret)).map(([key, template]) => ({
        key,
        template,
        values: secretsIn(template).map((name) => ({ name, why: whyOf(name, declarations) })),
      })),
    }));
}

function whyOf(name: string, declarations: readonly SecretDeclaration[]): string {
  const found = declarations.find((declaration) => declaration.name === name);
  if (found === undefined) throw new RangeError(`secret ${name} is used and declared nowhere`);
  return found.why;
}

/** Key → text, with markers. */
export function secretTexts({ stringData }: Manifest): Readonly<Record<string, string>> {
  if (typeof stringData !== "object" || stringData === null) return {};
  return Object.fromEntries(
    Object.entries(stringData).flatMap(([key, text]) => (typeof text === "string" ? [[key, text]] : [])),
  );
}

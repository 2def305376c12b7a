/** Values of secrets: made once and kept in the stack's encrypted state, or given in its configuration. They go into Secrets alone. */
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { resolveText, type SecretDeclaration, secretsIn } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";

export type SecretValues = Readonly<Record<string, pulumi.Output<string>>>;

/** `given`: the secret that the configuration has under a key; throws with the key where it has none. */
export function secretValues(
  declarations: readonly SecretDeclaration[],
  given: (key: string) => pulumi.Output<string>,
  parent: pulumi.Resource,
): SecretValues {
  return Object.fromEntries(
    declarations.map((declaration) => [declaration.name, valueFor(declaration, given, parent)]),
  );
}

function valueFor(
  declaration: SecretDeclaration,
  given: (key: string) => pulumi.Output<string>,
  parent: pulumi.Resource,
): pulumi.Output<string> {
  if (declaration.kind === "given") return pulumi.secret(given(declaration.key));
  const { name, length, version } = declaration;
  // Letters and digits alone: the value stands in URLs and configuration files.
  const made = new random.RandomPassword(name, { length, special: false, keepers: { version } }, { parent });
  return pulumi.secret(made.result);
}

/** The Secret's content with values where markers stand. */
export function filled(secret: Manifest, values: SecretValues): Readonly<Record<string, unknown>> {
  const texts = Object.entries(textsOf(secret));
  const names = [...new Set(texts.flatMap(([, text]) => secretsIn(text)))];
  const known = pulumi.all(
    Object.fromEntries(
      names.map((name) => {
        const value = Object.hasOwn(values, name) ? values[name] : undefined;
        if (value === undefined)
          throw new RangeError(`Secret/${secret.metadata.name} names secret ${name}, which nobody declares`);
        return [name, value];
      }),
    ),
  );
  return {
    ...secret,
    stringData: Object.fromEntries(
      texts.map(([key, text]) => [key, pulumi.secret(known.apply((all) => resolveText(text, all)))]),
    ),
  };
}

function textsOf({ stringData }: Manifest): Readonly<Record<string, string>> {
  if (typeof stringData !== "object" || stringData === null) return {};
  return Object.fromEntries(
    Object.entries(stringData).flatMap(([key, text]) => (typeof text === "string" ? [[key, text]] : [])),
  );
}

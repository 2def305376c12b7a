/** Values of secrets: made once and kept in the stack's encrypted state, or given in its configuration. They go into Secrets alone. */
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { passwordSettings, resolveText, type SecretDeclaration, secretsIn } from "../../../topology/index.ts";
import { type Manifest, secretTexts } from "../manifests/index.ts";

/** By name. */
export type SecretValues = Readonly<Record<string, pulumi.Output<string>>>;

/** Those that the configuration has; `given` throws, with the key, where it has none: before anything is registered. */
export function givenValues(
  declarations: readonly SecretDeclaration[],
  given: (key: string) => pulumi.Output<string>,
): SecretValues {
  return Object.fromEntries(
    declarations.flatMap((one) => (one.kind === "given" ? [[one.name, pulumi.secret(given(one.key))]] : [])),
  );
}

/** Those that nobody writes down. `isProtected`: what kept volumes need is as safe as they are. */
export function generatedValues(
  declarations: readonly SecretDeclaration[],
  isProtected: boolean,
  parent: pulumi.Resource,
): SecretValues {
  return Object.fromEntries(
    declarations.flatMap((one) => {
      if (one.kind !== "generated") return [];
      const options = { parent, protect: isProtected && one.isKept === true };
      const made = new random.RandomPassword(one.name, passwordSettings(one), options);
      return [[one.name, pulumi.secret(made.result)]];
    }),
  );
}

/** The Secret's content with values where markers stand. Throws RangeError where a marker names what nobody declares. */
export function filled(secret: Manifest, values: SecretValues): Readonly<Record<string, unknown>> {
  const texts = Object.entries(secretTexts(secret));
  const names = [...new Set(texts.flatMap(([, text]) => secretsIn(text)))];
  const known = pulumi.all(Object.fromEntries(names.map((name) => [name, valueOfName(name, secret, values)])));
  return {
    ...secret,
    stringData: Object.fromEntries(
      texts.map(([key, text]) => [key, pulumi.secret(known.apply((all) => resolveText(text, all)))]),
    ),
  };
}

function valueOfName(name: string, { metadata }: Manifest, values: SecretValues): pulumi.Output<string> {
  const value = Object.hasOwn(values, name) ? values[name] : undefined;
  if (value === undefined) throw new RangeError(`Secret/${metadata.name} names secret ${name}, which nobody declares`);
  return value;
}

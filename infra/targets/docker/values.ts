/** The secrets of a stack as Pulumi knows them: made here, or read from the stack's encrypted configuration. Never a plain text. */
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import {
  passwordSettings,
  resolveSubnets,
  resolveText,
  type SecretDeclaration,
  secretsIn,
  subnetsIn,
} from "../../topology/index.ts";

export type SecretValues = Readonly<Record<string, pulumi.Output<string>>>;

/** Reads a secret under a key of the stack's configuration; fails with the key where it is missing. */
export type ReadSecret = (key: string) => pulumi.Output<string>;

/**
 * Made ones as `passwordSettings` says. `isProtected`: what kept volumes need is as safe as they are.
 */
export function makeSecrets(
  declarations: readonly SecretDeclaration[],
  readSecret: ReadSecret,
  isProtected: boolean,
  options: pulumi.CustomResourceOptions,
): SecretValues {
  const made = declarations.map((secret) => {
    if (secret.kind === "given") return [secret.name, readSecret(secret.key)] as const;
    const kept = { ...options, protect: isProtected && secret.isKept === true };
    const password = new random.RandomPassword(secret.name, passwordSettings(secret), kept);
    return [secret.name, password.result] as const;
  });
  return Object.fromEntries(made);
}

/** The text with the addresses of its networks in place. */
export function resolveNetworks(text: string, subnetOf: (name: string) => pulumi.Output<string>): pulumi.Input<string> {
  const names = subnetsIn(text);
  if (names.length === 0) return text;
  return pulumi
    .all(names.map(subnetOf))
    .apply((subnets) => resolveSubnets(text, Object.fromEntries(names.map((name, at) => [name, subnets[at] ?? ""]))));
}

/** The text with its secrets in place: itself a secret where it has one. */
export function resolveSecrets(text: string, values: SecretValues): pulumi.Input<string> {
  const names = secretsIn(text);
  if (names.length === 0) return text;
  const used = names.map((name) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) throw new RangeError(`secret ${name} is used and not declared`);
    return value;
  });
  return pulumi.secret(
    pulumi
      .all(used)
      .apply((texts) => resolveText(text, Object.fromEntries(names.map((name, at) => [name, texts[at] ?? ""])))),
  );
}

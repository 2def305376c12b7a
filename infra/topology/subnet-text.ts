/** Texts with a network's addresses in them, before an engine has chosen them: a marker stands where they will. */

const MARKER = /\{\{subnet:([a-z0-9-]+)\}\}/g;

/** What stands for the addresses of a network of the stack until they are known. */
export function subnetMarker(network: string): string {
  return `{{subnet:${network}}}`;
}

/** Names of the networks in a text, each once, in the order of their first mention. */
export function subnetsIn(text: string): readonly string[] {
  return [...new Set([...text.matchAll(MARKER)].map(([, name = ""]) => name))];
}

/** The text with the addresses in place. Throws RangeError with the name where they are missing. */
export function resolveSubnets(text: string, subnets: Readonly<Record<string, string>>): string {
  return text.replace(MARKER, (_, name: string) => {
    const subnet = Object.hasOwn(subnets, name) ? subnets[name] : undefined;
    if (subnet === undefined || subnet === "")
      throw new RangeError(`the engine does not say which addresses network ${name} has`);
    return subnet;
  });
}

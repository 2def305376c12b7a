/** Networks as policies write them, and which addresses a gateway must never be talked into calling. */
import { isIP } from "node:net";
import { containsNetwork } from "../../../topology/index.ts";
import type { Site, Tree } from "./site.ts";

/** Instance metadata of clouds: whoever can ask it gets the node's credentials. Link-local, RFC 3927 and RFC 4291. */
const METADATA = ["169.254.169.254/32", "fd00:ec2::254/128", "169.254.0.0/16", "fe80::/10"] as const;

/** Private ones: RFC 1918, RFC 6598 (between providers and clusters), RFC 4193. */
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"] as const;

/** A rule without one of them would leave a whole family of addresses closed, or open. */
const EVERYTHING = ["0.0.0.0/0", "::/0"] as const;

/** A peer of addresses; `except` holds what of the denied lies within. */
export function block(cidr: string, denied: readonly string[] = []): Tree {
  const except = denied.filter((one) => one !== cidr && containsNetwork(cidr, one));
  return { ipBlock: { cidr, ...(except.length === 0 ? {} : { except }) } };
}

/** One address as a network. */
export function hostNetwork(address: string): string {
  return `${address}/${isIP(address) === 6 ? 128 : 32}`;
}

/** The public Internet, and the private networks that the stack's configuration lets in. */
export function outsideBlocks({ deployment }: Site): readonly Tree[] {
  const own = [...deployment.kubernetes.podNetworks, ...deployment.kubernetes.serviceNetworks];
  const { networks } = deployment.upstreams;
  return [
    ...EVERYTHING.map((cidr) => block(cidr, [...new Set([...METADATA, ...PRIVATE, ...own])])),
    // Whoever lets a network in does not mean the cluster within it, unless it is the cluster's that is let in.
    ...networks.map((cidr) => block(cidr, [...new Set([...METADATA, ...own])])),
  ];
}

/** Everything but metadata: where a cluster's API is, inside or outside its networks, is each cluster's own. */
export function anyBlocks(): readonly Tree[] {
  return EVERYTHING.map((cidr) => block(cidr, METADATA));
}

/** Of the networks that are to be let in, those that are nothing but link-local. */
export function linkLocalAmong(networks: readonly string[]): readonly string[] {
  return networks.filter((network) => METADATA.some((denied) => containsNetwork(denied, network)));
}

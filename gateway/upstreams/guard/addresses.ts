/**
 * What an IP address is, for whoever may only be sent to some: its range by the registries of IANA, and every IPv4 address that an IPv6
 * address stands for. Whoever can reach `64:ff9b::7f00:1` through a translator reaches 127.0.0.1.
 */
import ipaddr from "ipaddr.js";

type Address = ReturnType<typeof ipaddr.parse>;
export type Network = readonly [Address, number];

/** `public`: may be reached by anybody. `special`: multicast, broadcast, reserved, documentation: no server is there. */
export type Kind = "public" | "loopback" | "private" | "special";

const KINDS: Readonly<Record<string, Kind>> = {
  unicast: "public",
  loopback: "loopback",
  // A connection to 0.0.0.0 or :: is one to this machine.
  unspecified: "loopback",
  private: "private",
  uniqueLocal: "private",
  linkLocal: "private",
  carrierGradeNat: "private",
};

/** Ranges of IPv6 that hold an IPv4 address, with the byte at which it begins (RFC 4291 §2.5.5, 6145, 6052, 8215, 3056). */
const EMBEDDING: readonly (readonly [Network, number])[] = [
  [ipaddr.parseCIDR("::/96"), 12],
  [ipaddr.parseCIDR("::ffff:0:0/96"), 12],
  [ipaddr.parseCIDR("::ffff:0:0:0/96"), 12],
  [ipaddr.parseCIDR("64:ff9b::/96"), 12],
  [ipaddr.parseCIDR("64:ff9b:1::/48"), 12],
  [ipaddr.parseCIDR("2002::/16"), 2],
];
/** Teredo carries the client's IPv4 address with its bits inverted (RFC 4380 §4). */
const TEREDO = ipaddr.parseCIDR("2001::/32");
const UNSPECIFIED = "::";
const LOOPBACK = "::1";

/** The address and those that it stands for; undefined when the text is no address. A zone (`%eth0`) is dropped. */
export function addressesIn(text: string): readonly Address[] | undefined {
  const plain = text.replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  // The one form of IPv4: what else inet_aton reads has been made into it by the URL parser, or is a name.
  if (!ipaddr.IPv4.isValidFourPartDecimal(plain) && !ipaddr.IPv6.isValid(plain)) return undefined;
  const address = ipaddr.parse(plain);
  return [address, ...embedded(address)];
}

function embedded(address: Address): Address[] {
  if (!(address instanceof ipaddr.IPv6)) return [];
  const text = address.toString();
  if (text === UNSPECIFIED || text === LOOPBACK) return [];
  const bytes = address.toByteArray();
  const found = EMBEDDING.filter(([network]) => isIn(address, network)).map(
    ([, at]) => new ipaddr.IPv4(bytes.slice(at, at + 4)),
  );
  if (isIn(address, TEREDO)) found.push(new ipaddr.IPv4(bytes.slice(12, 16).map((byte) => byte ^ 0xff)));
  return found;
}

export function kindOf(address: Address): Kind {
  const range: string = address.range();
  // Translated addresses are judged by what they stand for; the range in which they lie is reached like any other.
  if (["ipv4Mapped", "rfc6145", "rfc6052", "6to4", "teredo"].includes(range)) return "public";
  if (address instanceof ipaddr.IPv6 && isIn(address, ipaddr.parseCIDR("::/96")) && embedded(address).length > 0)
    return "public";
  if (address instanceof ipaddr.IPv6 && isIn(address, ipaddr.parseCIDR("64:ff9b:1::/48"))) return "public";
  return KINDS[range] ?? "special";
}

export function isIn(address: Address, network: Network): boolean {
  const [base, bits] = network;
  return address.kind() === base.kind() && address.match(base, bits);
}

/** `10.0.0.0/8`, or one address. Throws RangeError for what is neither. */
export function parseNetwork(text: string): Network {
  const plain = text.trim();
  try {
    if (plain.includes("/")) return ipaddr.parseCIDR(plain);
    const address = ipaddr.parse(plain);
    return [address, address.kind() === "ipv4" ? 32 : 128];
  } catch {
    throw new RangeError(`${JSON.stringify(plain)} is no network: an address, or one with a prefix such as 10.0.0.0/8`);
  }
}

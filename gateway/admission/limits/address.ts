/** Callers without a name are told apart by where they come from. */
import ipaddr from "ipaddr.js";

/** Networks remembered by an address of theirs: the same clients come again and again. */
const MAX_REMEMBERED = 10_000;
/** A provider gives a customer this much of IPv6: one address of it says nothing. */
const CUSTOMER_BITS = 64;

const networks = new Map<string, string>();

/** The address itself; of IPv6 its network of 64 bits. `address` in the form that a request head has. */
export function customerOf(address: string): string {
  if (!address.includes(":")) return address;
  const known = networks.get(address);
  if (known !== undefined) return known;
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${address}/${CUSTOMER_BITS}`).toRFC5952String();
  if (networks.size >= MAX_REMEMBERED) networks.clear();
  networks.set(address, network);
  return network;
}

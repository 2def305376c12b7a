/** Networks in CIDR notation (RFC 4632, RFC 4291) against each other. */
import { BlockList, isIP, isIPv6 } from "node:net";
import { isNetwork } from "./files/writing.ts";

/** Does `outer` hold all of `inner`? False across families, and for what is no network. */
export function containsNetwork(outer: string, inner: string): boolean {
  if (!isNetwork(outer) || !isNetwork(inner)) return false;
  const [wide = "", widePrefix] = outer.split("/");
  const [narrow = "", narrowPrefix] = inner.split("/");
  if (isIP(wide) !== isIP(narrow) || Number(narrowPrefix) < Number(widePrefix)) return false;
  const family = isIPv6(wide) ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(wide, Number(widePrefix), family);
  return list.check(narrow, family);
}

/** Of two networks that share an address one holds the other. */
export function overlaps(one: string, other: string): boolean {
  return containsNetwork(one, other) || containsNetwork(other, one);
}

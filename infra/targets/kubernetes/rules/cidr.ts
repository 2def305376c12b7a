/** Blocks of addresses in CIDR notation (RFC 4632, RFC 4291): what is one, and what lies in it. */
import { BlockList, isIP } from "node:net";

export type Family = "ipv4" | "ipv6";
export type Cidr = { readonly address: string; readonly prefix: number; readonly family: Family };

/** `10.0.0.0/8`, `::/0`; undefined where it is none. */
export function parseCidr(text: string): Cidr | undefined {
  const [, address = "", digits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const family = familyOf(address);
  const prefix = Number(digits);
  if (family === undefined || digits === "" || prefix > (family === "ipv4" ? 32 : 128)) return undefined;
  return { address, prefix, family };
}

export function familyOf(address: string): Family | undefined {
  const version = isIP(address);
  if (version === 0) return undefined;
  return version === 4 ? "ipv4" : "ipv6";
}

/** Whether `address` lies in the block; false for another family. */
export function contains({ address: net, prefix, family }: Cidr, address: string): boolean {
  if (familyOf(address) !== family) return false;
  const list = new BlockList();
  list.addSubnet(net, prefix, family);
  return list.check(address, family);
}

/** Whether `inner` is a part of `outer` and smaller. */
export function isWithin(inner: Cidr, outer: Cidr): boolean {
  return inner.prefix > outer.prefix && contains(outer, inner.address);
}

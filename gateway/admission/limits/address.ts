/** Where a request comes from: the peer of the connection, or what proxies say who are trusted by their address. */
import ipaddr from "ipaddr.js";
import type { RequestHead } from "../../../contract/http.ts";

type Network = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

/** An address or a network in CIDR form; undefined for what is neither. IPv4 in IPv6 is IPv4. */
export function networkOf(text: string): Network | undefined {
  try {
    if (text.includes("/")) return ipaddr.parseCIDR(text);
    const address = ipaddr.process(text);
    return [address, address.kind() === "ipv4" ? 32 : 128];
  } catch {
    return undefined;
  }
}

function within(address: ipaddr.IPv4 | ipaddr.IPv6, [network, bits]: Network): boolean {
  if (address instanceof ipaddr.IPv4) return network instanceof ipaddr.IPv4 && address.match(network, bits);
  return network instanceof ipaddr.IPv6 && address.match(network, bits);
}

/** Callers remembered with what their proxies said: the same header comes again and again. */
const MAX_REMEMBERED = 10_000;
/** A provider gives a customer this much of IPv6: one address of it says nothing. */
const IPV6_CUSTOMER_BITS = 64;

/**
 * The client's address in its shortest form; of IPv6 the network of 64 bits, unless the rule of a whole address is asked for. From right to
 * left, the first hop of `X-Forwarded-For` (or of `Forwarded`, RFC 7239, where that is missing) that is no trusted proxy. Nobody is trusted
 * unless `trusted` says so: then the header counts for nothing.
 */
export function createAddressOf(trusted: readonly string[]): (head: RequestHead) => string {
  const networks = trusted.map(networkOf).filter((network) => network !== undefined);
  const remembered = new Map<string, string>();

  function isTrusted(text: string): boolean {
    // A Unix socket has no address; who may connect there is said by its file.
    if (text === "") return trusted.includes("unix");
    const address = parsed(text);
    return address !== undefined && networks.some((network) => within(address, network));
  }

  function found(peer: string, hops: readonly string[]): string {
    let nearest = peer;
    for (let index = hops.length - 1; index >= 0 && isTrusted(nearest); index--) {
      const hop = hops[index] ?? "";
      // What is no address hides whoever stands behind it: he counts as the proxy that wrote it.
      if (parsed(hop) === undefined) break;
      nearest = hop;
    }
    return shortest(nearest);
  }

  return ({ remoteAddress, headers }) => {
    const said = trusted.length === 0 ? undefined : (headers["x-forwarded-for"] ?? headers.forwarded);
    const key = said === undefined ? remoteAddress : `${remoteAddress} ${said}`;
    const known = remembered.get(key);
    if (known !== undefined) return known;
    const hops = said === undefined ? [] : headers["x-forwarded-for"] === undefined ? forwardedFor(said) : listed(said);
    const address = found(remoteAddress, hops);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(key, address);
    return address;
  };
}

function parsed(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  try {
    return ipaddr.process(text);
  } catch {
    return undefined;
  }
}

function shortest(text: string): string {
  const address = parsed(text);
  if (address === undefined) return text;
  if (address instanceof ipaddr.IPv4) return address.toString();
  return ipaddr.IPv6.networkAddressFromCIDR(`${address.toString()}/${IPV6_CUSTOMER_BITS}`).toString();
}

function listed(header: string): string[] {
  return header.split(",").map((hop) => withoutPort(hop.trim()));
}

/** The `for` of each element (RFC 7239 §4); one that is missing or obfuscated is no address. */
function forwardedFor(header: string): string[] {
  return header.split(",").map((element) => {
    const found = /(?:^|;)\s*for=(?:"([^"]*)"|([^;\s]*))/i.exec(element);
    return withoutPort(found?.[1] ?? found?.[2] ?? "");
  });
}

function withoutPort(hop: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(hop)?.[1];
  return bracketed ?? (/^[\d.]+:\d+$/.test(hop) ? hop.slice(0, hop.indexOf(":")) : hop);
}

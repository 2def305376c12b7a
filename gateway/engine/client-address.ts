/** Where a request comes from: the peer of its connection, or what proxies say who are trusted by their address. */
import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

type Ip = ipaddr.IPv4 | ipaddr.IPv6;
type Network = readonly [Ip, number];
type Headers = Readonly<Record<string, string | undefined>>;

/** What proxies said, remembered with whom that means: the same headers come again and again. Longer ones are looked at each time. */
const MAX_REMEMBERED = 10_000;
const MAX_REMEMBERED_LENGTH = 200;

export class TrustedProxies {
  private readonly networks: readonly Network[];
  private readonly trustsSockets: boolean;
  private readonly remembered = new Map<string, string>();

  /** Addresses and networks (CIDR) that were checked where settings are read; `unix` for peers without address. */
  constructor(trusted: readonly string[]) {
    this.networks = trusted.map(networkOf).filter((network) => network !== undefined);
    // A Unix socket has no address; who may connect there is said by its file.
    this.trustsSockets = trusted.includes("unix");
  }

  trusts(address: string): boolean {
    if (address === "") return this.trustsSockets;
    if (this.networks.length === 0) return false;
    const parsed = ipaddr.process(address);
    return this.networks.some((network) => within(parsed, network));
  }

  /** By `X-Forwarded-For`. */
  listed(peer: string, said: string): string {
    const known = this.remembered.get(said);
    if (known !== undefined) return known;
    const client = this.nearest(said, listedHop);
    // Nobody was named: that depends on the peer, and is not remembered.
    if (client === undefined) return peer;
    if (said.length <= MAX_REMEMBERED_LENGTH) {
      if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
      this.remembered.set(said, client);
    }
    return client;
  }

  /** By `Forwarded`. */
  forwarded(peer: string, said: string): string {
    return this.nearest(said, forwardedHop) ?? peer;
  }

  /**
   * The first hop from the right that is no trusted proxy; the left-most one where all are. A hop that is no address (RFC 7239 §6: `unknown`,
   * obfuscated) hides whoever stands behind it: he counts as the proxy that wrote it.
   */
  private nearest(said: string, hopOf: (element: string) => string): string | undefined {
    let nearest: string | undefined;
    let rest: string | undefined = said;
    while (rest !== undefined) {
      const comma: number = rest.lastIndexOf(",");
      const hop = plainAddress(hopOf(rest.slice(comma + 1)));
      if (hop === "") break;
      nearest = hop;
      if (!this.trusts(hop)) break;
      rest = comma < 0 ? undefined : rest.slice(0, comma);
    }
    return nearest;
  }
}

/** Of one connection: found once, and again only for a header that a trusted proxy sent. */
export class ClientAddress {
  private readonly proxies: TrustedProxies;
  private readonly peer: string;
  private readonly isProxy: boolean;
  private said: string | undefined;
  private wasListed = true;
  private client: string;

  /** `peer` as of `socket.remoteAddress`. */
  constructor(proxies: TrustedProxies, peer: string | undefined) {
    this.proxies = proxies;
    this.peer = plainAddress(peer ?? "");
    this.isProxy = proxies.trusts(this.peer);
    this.client = this.peer;
  }

  /**
   * The whole address in its shortest form (RFC 5952), IPv4 in IPv6 as IPv4; empty on a Unix socket. `X-Forwarded-For` counts, and `Forwarded`
   * (RFC 7239) where that is missing. From a peer that is no trusted proxy neither does.
   */
  of(headers: Headers): string {
    if (!this.isProxy) return this.peer;
    const listed = headers["x-forwarded-for"];
    const said = listed ?? headers.forwarded;
    if (said === undefined) return this.peer;
    // One text means different things in the two headers; a connection hardly ever has both.
    if (said !== this.said || (listed !== undefined) !== this.wasListed) {
      const { peer, proxies } = this;
      this.client = listed === undefined ? proxies.forwarded(peer, said) : proxies.listed(peer, said);
      this.said = said;
      this.wasListed = listed !== undefined;
    }
    return this.client;
  }
}

/** The address alone in its shortest form (RFC 5952): IPv4 in IPv6 is IPv4, zones are of this machine only. Empty for what is no address. */
export function plainAddress(text: string): string {
  const family = isIP(text);
  if (family === 0) return "";
  if (family === 4) return text;
  const address = ipaddr.process(text.split("%", 1)[0] ?? "");
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString();
}

/** Undefined for what is neither address nor network. */
function networkOf(text: string): Network | undefined {
  try {
    if (text.includes("/")) return ipaddr.parseCIDR(text);
    const address = ipaddr.process(text);
    return [address, address.kind() === "ipv4" ? 32 : 128];
  } catch {
    return undefined;
  }
}

function within(address: Ip, [network, bits]: Network): boolean {
  if (address instanceof ipaddr.IPv4) return network instanceof ipaddr.IPv4 && address.match(network, bits);
  return network instanceof ipaddr.IPv6 && address.match(network, bits);
}

function listedHop(element: string): string {
  return withoutPort(element.trim());
}

/** The `for` of an element (RFC 7239 §4); one that is missing or obfuscated is no address. */
function forwardedHop(element: string): string {
  const found = /(?:^|;)\s*for=(?:"([^"]*)"|([^;\s]*))/i.exec(element);
  return withoutPort(found?.[1] ?? found?.[2] ?? "");
}

function withoutPort(hop: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(hop)?.[1];
  return bracketed ?? (/^[\d.]+:\d+$/.test(hop) ? hop.slice(0, hop.indexOf(":")) : hop);
}

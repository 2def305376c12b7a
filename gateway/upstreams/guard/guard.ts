/**
 * Where the gateway may connect to. Names are resolved here and the addresses that are checked are the ones connected to, so that a
 * name which answers differently the second time (DNS rebinding) gains nothing; every connection of every hop is checked anew.
 */
import { type LookupAddress, lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import type { buildConnector } from "undici";
import { undici } from "../undici.ts";
import { addressesIn, isIn, kindOf, type Network, parseNetwork } from "./addresses.ts";

export type GuardPolicy = {
  readonly enabled: boolean;
  readonly blockedNetworks: readonly string[];
  readonly blockedHosts: readonly string[];
  readonly allowLocalhost: boolean;
  readonly allowPrivate: boolean;
  readonly allowedNetworks: readonly string[];
  /** A name without an address may not be stored. */
  readonly dnsFailClosed: boolean;
};

/** `user`: set by somebody over REST. `operator`: declared by who runs the gateway; only what is always blocked is refused him. */
export type Trust = "user" | "operator";

/** Resolves like dns.lookup with `all`. */
export type Resolve = (
  hostname: string,
  done: (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void,
) => void;

export interface AddressGuard {
  /** Why this URL may not be connected to, as far as can be told without asking a name server; undefined = it may. */
  refusal(url: URL, trust: Trust): string | undefined;
  /** The same with its name resolved, for an address that is about to be stored. Never rejects. */
  check(url: URL, trust: Trust): Promise<string | undefined>;
  /** Resolves the names of net.connect and tls.connect to what may be connected to; fails with AddressRefused. */
  lookup(trust: Trust): LookupFunction;
  /** undici's `connect`, which refuses what `refusal` and `lookup` refuse. */
  connector(trust: Trust, options: buildConnector.BuildOptions): buildConnector.connector;
}

/** A connection that was not opened. The text names the rule and not the address: what a name resolves to may be nobody's business. */
export class AddressRefused extends Error {
  readonly code = "MCPS_ADDRESS_REFUSED";
  constructor(reason: string) {
    super(reason);
    this.name = "AddressRefused";
  }
}

/** Answers of cloud metadata services: reached by nobody while the guard is on, whatever the settings say. */
const METADATA = ["169.254.169.254", "169.254.170.2", "169.254.169.123", "100.100.100.200", "192.0.0.192"]
  .concat(["fd00:ec2::254", "fd20:ce::254"])
  .map(parseNetwork);

/**
 * Ports of protocols that a request could be made to speak: the "bad ports" of the WHATWG Fetch standard. Port 1 is left out: nothing
 * listens there, and many write it for a server that is away.
 */
const BAD_PORTS = new Set(
  (
    "7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 135 137 139 " +
    "143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 " +
    "3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080"
  ).split(" "),
);

/** Throws RangeError for a network of the policy that is none. */
export function createAddressGuard(policy: GuardPolicy, resolve: Resolve = resolveAll): AddressGuard {
  const blocked = policy.blockedNetworks.map(parseNetwork);
  const allowed = policy.allowedNetworks.map(parseNetwork);
  const hosts = new Set(policy.blockedHosts.map(plainHost));
  const rules = { policy, blocked, allowed };

  function refusal(url: URL, trust: Trust): string | undefined {
    if (!policy.enabled) return undefined;
    if (BAD_PORTS.has(url.port)) return `port ${url.port} belongs to another protocol`;
    if (hosts.has(plainHost(url.hostname))) return "its host is blocked (SSRF_BLOCKED_HOSTS)";
    return addressRefusal(url.hostname, trust, rules);
  }

  const guard: AddressGuard = {
    refusal,
    check(url, trust) {
      const known = refusal(url, trust);
      if (known !== undefined || !policy.enabled || addressesIn(url.hostname) !== undefined)
        return Promise.resolve(known);
      return new Promise((settle) => {
        resolve(url.hostname, (error, addresses) => {
          if (error === null) settle(firstRefusal(addresses, trust, rules));
          else settle(policy.dnsFailClosed ? "its name cannot be resolved (SSRF_DNS_FAIL_CLOSED)" : undefined);
        });
      });
    },
    lookup: (trust) => (hostname, options, done) => {
      const name = hosts.has(plainHost(hostname)) && policy.enabled;
      if (name) return done(new AddressRefused("its host is blocked (SSRF_BLOCKED_HOSTS)"), "");
      resolve(hostname, (error, addresses) => {
        if (error !== null) return done(error, "");
        const reason = policy.enabled ? firstRefusal(addresses, trust, rules) : undefined;
        if (reason !== undefined) return done(new AddressRefused(reason), "");
        const [first] = addresses;
        if (options.all === true) done(null, [...addresses]);
        else if (first === undefined) done(notFound(hostname), "");
        else done(null, first.address, first.family);
      });
    },
    connector(trust, options) {
      const connect = undici().buildConnector({ ...options, lookup: guard.lookup(trust) });
      return (to, callback) => {
        const port = to.port === "" ? "" : `:${to.port}`;
        const url = URL.canParse(`${to.protocol}//${to.hostname}${port}`)
          ? new URL(`${to.protocol}//${to.hostname}${port}`)
          : undefined;
        const reason = url === undefined ? "its address cannot be read" : refusal(url, trust);
        if (reason === undefined) connect(to, callback);
        else callback(new AddressRefused(reason), null);
      };
    },
  };
  return guard;
}

type Rules = {
  readonly policy: GuardPolicy;
  readonly blocked: readonly Network[];
  readonly allowed: readonly Network[];
};

/** One address that is refused refuses the name: a server that mixes them is not one to be connected to. */
function firstRefusal(addresses: readonly LookupAddress[], trust: Trust, rules: Rules): string | undefined {
  for (const { address } of addresses) {
    const reason = addressRefusal(address, trust, rules);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** Undefined for a name, too: it is judged once it is resolved. */
function addressRefusal(text: string, trust: Trust, { policy, blocked, allowed }: Rules): string | undefined {
  for (const address of addressesIn(text) ?? []) {
    const isWithin = (networks: readonly Network[]) => networks.some((network) => isIn(address, network));
    if (isWithin(METADATA)) return "its address is one of a metadata service";
    if (isWithin(blocked)) return "its address is blocked (SSRF_BLOCKED_NETWORKS)";
    if (isWithin(allowed) || trust === "operator") continue;
    const kind = kindOf(address);
    if (kind === "special") return "its address belongs to no server";
    if (kind === "loopback" && !policy.allowLocalhost)
      return "its address is this machine's own (SSRF_ALLOW_LOCALHOST)";
    if (kind === "private" && !policy.allowPrivate)
      return "its address is private (SSRF_ALLOW_PRIVATE_NETWORKS, SSRF_ALLOWED_NETWORKS)";
  }
  return undefined;
}

function plainHost(host: string): string {
  return host.trim().toLowerCase().replace(/\.$/, "");
}

const resolveAll: Resolve = (hostname, done) => {
  lookup(hostname, { all: true }, (error, addresses) => done(error, addresses ?? []));
};

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} has no address`), { code: "ENOTFOUND" });
}

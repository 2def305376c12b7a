/**
 * Who holds how many slots of one lane. Near the cap a caller keeps what it holds and gets no more than its weighted share, so that one
 * greedy caller cannot starve the others: weighted max-min fairness, decided as requests come and without taking anything back.
 *
 * On the head a caller is who the gateway has already seen behind the same Authorization header; until then, and for a header nobody
 * has checked, it is its certificate or its address. So made-up headers are no way to many shares. Where everybody has to say who he is,
 * those who have not (strangers) share among themselves, and what they hold and want makes nobody else's share smaller.
 */
import type { RequestHead } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";

/** Entries of one map; callers beyond them count as their address. */
const MAX_KNOWN = 10_000;
/** Beats after which a caller that was refused no longer counts as one that wants a slot: Retry-After may be two seconds. */
const WANTS_BEATS = 3;
/** Beats for which a caller without a slot is remembered, and how often those are looked for. Headers are credentials: no longer. */
const REMEMBERED_BEATS = 60;
const SWEEP_BEATS = 10;

/** Weights of those who share with each other. */
class Tally {
  /** Of those who hold a slot, and of those who were refused one and hold none. */
  holding = 0;
  wanting = 0;
}

export class Party {
  readonly weight: number;
  /** Known by its identity, not only by where it comes from. */
  readonly isNamed: boolean;
  /** Nobody has checked yet who it is, and everybody has to say. */
  readonly isStranger: boolean;
  readonly among: Tally;
  held = 0;
  isWanting = false;
  seenAt = 0;
  wantedAt = 0;

  constructor(weight: number, isNamed: boolean, isStranger: boolean, among: Tally) {
    this.weight = weight;
    this.isNamed = isNamed;
    this.isStranger = isStranger;
    this.among = among;
  }
}

export class Shares {
  readonly #weightOf: (name: string) => number;
  readonly #byHeader = new Map<string, Party>();
  readonly #byName = new Map<string, Party>();
  readonly #byPlace = new Map<string, Party>();
  readonly #known = new Tally();
  readonly #strange: Tally;
  readonly #crowd: Party;
  #lastHeader: string | undefined;
  #lastParty: Party;
  #beat = 0;

  /** `weightOf`: of a principal by its id, more than 0. `strangersApart`: who is only an address is a stranger. */
  constructor(weightOf: (name: string) => number, strangersApart = false) {
    this.#weightOf = weightOf;
    this.#strange = strangersApart ? new Tally() : this.#known;
    this.#crowd = new Party(1, false, strangersApart, this.#strange);
    this.#lastParty = this.#crowd;
  }

  /** `principal`: who it is, where that is known before the slot is taken. */
  find(head: RequestHead, principal?: Principal): Party {
    if (principal !== undefined && principal.kind !== "anonymous")
      return this.#seen(this.#made(this.#byName, principal.id, true));
    const header = head.headers.authorization;
    if (header !== undefined) {
      // Clients send one request after another: the same string again is found without a hash.
      if (header === this.#lastHeader) return this.#seen(this.#lastParty);
      const known = this.#byHeader.get(header);
      if (known !== undefined) {
        this.#lastHeader = header;
        this.#lastParty = known;
        return this.#seen(known);
      }
    }
    const { client, remoteAddress } = head;
    return this.#seen(this.#made(this.#byPlace, client?.fingerprint ?? remoteAddress, false, client === undefined));
  }

  /** Slots a caller may hold of `limit` while they are scarce; at least a part of one. */
  shareOf(party: Party, limit: number): number {
    const own = party.held === 0 && !party.isWanting ? party.weight : 0;
    return (limit * party.weight) / (party.among.holding + party.among.wanting + own);
  }

  mayTake(party: Party, limit: number): boolean {
    return party.held < this.shareOf(party, limit);
  }

  take(party: Party): void {
    if (party.held++ > 0) return;
    party.among.holding += party.weight;
    this.#satisfied(party);
  }

  give(party: Party): void {
    if (--party.held === 0) party.among.holding -= party.weight;
  }

  /** It found no slot: from now on it counts among those who share. */
  missed(party: Party): void {
    party.wantedAt = this.#beat;
    if (party.held > 0 || party.isWanting) return;
    party.isWanting = true;
    party.among.wanting += party.weight;
  }

  /** The header belongs to this principal. A slot that was taken in the name of an address moves to it. */
  confirm(party: Party, header: string, name: string): Party {
    if (this.#byHeader.size >= MAX_KNOWN) return party;
    const named = this.#seen(this.#made(this.#byName, name, true));
    if (!named.isNamed) return party;
    this.#byHeader.set(header, named);
    this.take(named);
    this.give(party);
    return named;
  }

  /** The header proves nothing, or no longer: it expired, or was revoked. */
  deny(header: string): void {
    this.#byHeader.delete(header);
    if (this.#lastHeader === header) this.#lastHeader = undefined;
  }

  /** Once a second. */
  beat(): void {
    this.#beat++;
    this.#lastHeader = undefined;
    const parties = [this.#byPlace, this.#byName];
    for (const map of parties) for (const party of map.values()) this.#lapse(party);
    this.#lapse(this.#crowd);
    if (this.#beat % SWEEP_BEATS !== 0) return;
    // Headers first: a party that only a header leads to would be seen by nobody here.
    for (const map of [this.#byHeader, ...parties])
      for (const [key, party] of map) if (this.#isForgotten(party)) map.delete(key);
  }

  /** For tests and gauges: weights that hold and want, and parties remembered. */
  get counts(): { readonly holding: number; readonly wanting: number; readonly known: number } {
    return {
      holding: this.#known.holding + (this.#strange === this.#known ? 0 : this.#strange.holding),
      wanting: this.#known.wanting + (this.#strange === this.#known ? 0 : this.#strange.wanting),
      known: this.#byPlace.size + this.#byName.size,
    };
  }

  #isForgotten(party: Party): boolean {
    return party.held === 0 && !party.isWanting && this.#beat - party.seenAt >= REMEMBERED_BEATS;
  }

  #lapse(party: Party): void {
    if (party.isWanting && this.#beat - party.wantedAt > WANTS_BEATS) this.#satisfied(party);
  }

  #seen(party: Party): Party {
    party.seenAt = this.#beat;
    return party;
  }

  #satisfied(party: Party): void {
    if (!party.isWanting) return;
    party.isWanting = false;
    party.among.wanting -= party.weight;
  }

  #made(map: Map<string, Party>, key: string, isNamed: boolean, isPlace = false): Party {
    const known = map.get(key);
    if (known !== undefined) return known;
    if (map.size >= MAX_KNOWN) return this.#crowd;
    const isStranger = isPlace && this.#strange !== this.#known;
    const weight = isNamed ? this.#weightOf(key) : 1;
    const party = new Party(weight, isNamed, isStranger, isStranger ? this.#strange : this.#known);
    map.set(key, party);
    return party;
  }
}

/** The upstream sessions that this process knows: how many there may be, and which one has to make room. */
import { fault } from "../../contract/errors.ts";
import type { Line } from "./line.ts";
import type { UpstreamTarget } from "./types.ts";

export type SessionCaps = {
  /** Of this process, in all and to one upstream. */
  readonly maxTotal: number;
  readonly maxPerUpstream: number;
};

export type Reservation = {
  /** Gives the place back, once the session is entered or was not to be had. */
  readonly place: () => void;
  /** Already forgotten here; to be ended at its upstream. */
  readonly victim: Line | undefined;
};

/** So many are looked at for one that was not used for long; with more of them it need not be the very oldest. */
const MAX_LOOKS = 1000;

export class OpenLines {
  readonly #caps: SessionCaps;
  readonly #lines = new Map<string, Line>();
  /** Sessions and places, by upstream. */
  readonly #counts = new Map<string, number>();
  #total = 0;

  constructor(caps: SessionCaps) {
    this.#caps = caps;
  }

  get total(): number {
    return this.#total;
  }

  count(upstreamId: string): number {
    return this.#counts.get(upstreamId) ?? 0;
  }

  get(key: string): Line | undefined {
    return this.#lines.get(key);
  }

  set(line: Line): void {
    const known = this.#lines.get(line.key);
    if (known !== undefined && known !== line && known.session.sessionId === line.session.sessionId)
      line.former = onlyInUse(known);
    this.delete(line.key);
    this.#lines.set(line.key, line);
    this.#add(line.target.id, 1);
  }

  delete(key: string): void {
    const line = this.#lines.get(key);
    if (line === undefined) return;
    this.#lines.delete(key);
    this.#add(line.target.id, -1);
  }

  forget(upstreamId: string): void {
    for (const { key, target } of [...this.#lines.values()]) if (target.id === upstreamId) this.delete(key);
  }

  /** A place for one more session. Throws MCPS_UPSTREAM_BUSY when all that could make room are in use. */
  reserve({ id, slug }: UpstreamTarget): Reservation {
    const { maxTotal, maxPerUpstream } = this.#caps;
    const ofUpstream = this.count(id) >= maxPerUpstream;
    const victim = ofUpstream || this.#total >= maxTotal ? this.#unused(ofUpstream ? id : undefined) : undefined;
    if (victim !== undefined) this.delete(victim.key);
    else if (ofUpstream) throw fullFault(slug, "to it", maxPerUpstream, "MCP_SESSION_POOL_MAX_PER_UPSTREAM");
    else if (this.#total >= maxTotal) throw fullFault(slug, "in all", maxTotal, "MCP_SESSION_POOL_MAX_TOTAL_SESSIONS");
    this.#add(id, 1);
    return { place: () => this.#add(id, -1), victim };
  }

  /** The one that was not used for longest, of one upstream or of all. */
  #unused(upstreamId: string | undefined): Line | undefined {
    let found: Line | undefined;
    let looks = 0;
    for (const line of this.#lines.values()) {
      if (inUse(line) !== undefined || (upstreamId !== undefined && line.target.id !== upstreamId)) continue;
      if (found === undefined || line.usedAt < found.usedAt) found = line;
      if (++looks >= MAX_LOOKS) break;
    }
    return found;
  }

  #add(upstreamId: string, change: 1 | -1): void {
    this.#total += change;
    const count = this.count(upstreamId) + change;
    if (count === 0) this.#counts.delete(upstreamId);
    else this.#counts.set(upstreamId, count);
  }
}

/** The same as `inUse`, with those that nothing is within any more taken out of what stands behind it. */
function onlyInUse(line: Line): Line | undefined {
  const newest = inUse(line);
  for (let one = newest; one !== undefined; one = one.former) one.former = inUse(one.former);
  return newest;
}

/** The line itself, or the newest of its former ones that requests are within. */
function inUse(line: Line | undefined): Line | undefined {
  let found = line;
  while (found !== undefined && found.busy === 0) found = found.former;
  return found;
}

function fullFault(upstream: string, where: string, limit: number, setting: string) {
  const reason = `${limit} sessions are open ${where}, and all are in use (${setting})`;
  return fault("MCPS_UPSTREAM_BUSY", { upstream, reason }, { retryAfterSeconds: 1 }, { "retry-after": "1" });
}

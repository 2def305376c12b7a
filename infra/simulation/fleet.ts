/** The replicas of the gateway: which serve, and which of them nginx gives the next request to. */

export const PHASE = { gone: 0, starting: 1, serving: 2, draining: 3 } as const;
type Phase = (typeof PHASE)[keyof typeof PHASE];

export class Fleet {
  readonly capacity: number;
  readonly #zones: number;
  readonly #phase: Uint8Array;
  readonly #zone: Int32Array;
  /** Kubernetes' generation of the pod template: a rollout starts a new one. */
  readonly generation: Int32Array;
  /** Moves on when the replica changes: what was planned for it before is void. */
  readonly stamp: Int32Array;
  readonly inFlight: Int32Array;
  /** preStop is over: it goes with its last request. */
  readonly isLeaving: Uint8Array;
  /** Open requests as each nginx counts them: [nginx · capacity + replica]. */
  readonly #counts: Int32Array;
  readonly #starts: Int32Array;
  readonly #serving: Int32Array;
  servingCount = 0;
  alive = 0;

  constructor(capacity: number, nginxes: number, zones: number) {
    this.capacity = capacity;
    this.#zones = zones;
    this.#phase = new Uint8Array(capacity);
    this.#zone = new Int32Array(capacity);
    this.generation = new Int32Array(capacity);
    this.stamp = new Int32Array(capacity);
    this.inFlight = new Int32Array(capacity);
    this.isLeaving = new Uint8Array(capacity);
    this.#counts = new Int32Array(capacity * nginxes);
    this.#starts = new Int32Array(nginxes);
    this.#serving = new Int32Array(capacity);
  }

  phaseOf(replica: number): number {
    return this.#phase[replica] ?? PHASE.gone;
  }

  zoneOf(replica: number): number {
    return this.#zone[replica] ?? 0;
  }

  /** Replicas in a phase, in the order of their places. */
  inPhase(phase: Phase, generation?: number): readonly number[] {
    const found: number[] = [];
    for (let replica = 0; replica < this.capacity; replica += 1)
      if (this.#phase[replica] === phase && (generation === undefined || this.generation[replica] === generation))
        found.push(replica);
    return found;
  }

  /** A new replica in the zone with the fewest (`zone` where it has to be one), still starting. Throws RangeError when there is no place. */
  add(generation: number, zone = this.#emptiestZone()): number {
    const replica = this.#phase.indexOf(PHASE.gone);
    if (replica < 0) throw new RangeError(`more than ${this.capacity} replicas alive at once`);
    this.#phase[replica] = PHASE.starting;
    this.#zone[replica] = zone;
    this.generation[replica] = generation;
    this.isLeaving[replica] = 0;
    this.alive += 1;
    return replica;
  }

  setPhase(replica: number, phase: Phase): void {
    if (this.#phase[replica] === PHASE.serving) this.#withdraw(replica);
    if (phase === PHASE.serving) {
      this.#serving[this.servingCount] = replica;
      this.servingCount += 1;
    }
    if (phase === PHASE.gone) this.alive -= 1;
    this.#phase[replica] = phase;
    this.stamp[replica] = (this.stamp[replica] ?? 0) + 1;
  }

  /** The replica with the fewest open requests of this nginx, ties in turn; −1 when none serves. */
  leastConnections(nginx: number): number {
    const count = this.servingCount;
    if (count === 0) return -1;
    const base = nginx * this.capacity;
    const start = (this.#starts[nginx] ?? 0) % count;
    this.#starts[nginx] = start + 1;
    let best = -1;
    let fewest = Number.POSITIVE_INFINITY;
    for (let step = 0; step < count; step += 1) {
      const at = start + step;
      const replica = this.#serving[at < count ? at : at - count] ?? 0;
      const open = this.#counts[base + replica] ?? 0;
      if (open < fewest) {
        fewest = open;
        best = replica;
        if (open === 0) break;
      }
    }
    return best;
  }

  /** A request enters (+1) or leaves (−1) a replica through an nginx. */
  count(nginx: number, replica: number, by: 1 | -1): void {
    const at = nginx * this.capacity + replica;
    this.#counts[at] = (this.#counts[at] ?? 0) + by;
    this.inFlight[replica] = (this.inFlight[replica] ?? 0) + by;
  }

  #withdraw(replica: number): void {
    const at = this.#serving.indexOf(replica);
    this.servingCount -= 1;
    this.#serving.copyWithin(at, at + 1, this.servingCount + 1);
  }

  #emptiestZone(): number {
    const perZone = new Array<number>(this.#zones).fill(0);
    for (let replica = 0; replica < this.capacity; replica += 1) {
      const phase = this.phaseOf(replica);
      const zone = this.zoneOf(replica);
      if (phase === PHASE.starting || phase === PHASE.serving) perZone[zone] = (perZone[zone] ?? 0) + 1;
    }
    return perZone.indexOf(Math.min(...perZone));
  }
}

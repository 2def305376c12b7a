/**
 * Asks upstreams that are left alone whether they are back, so that nobody has to wait for the end of that time: now and then, by the
 * worker that saw them fail, with the handshake that leaves nothing behind.
 */
import type { Circuits } from "./circuits.ts";
import type { Profiles } from "./profiles.ts";
import type { UpstreamTarget } from "./types.ts";

const FIRST_MS = 1000;
const MAX_MS = 10_000;

export class Recovery {
  readonly #circuits: Circuits;
  readonly #profiles: Profiles;
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #leave: () => void;
  #closed = false;

  constructor(circuits: Circuits, profiles: Profiles) {
    this.#circuits = circuits;
    this.#profiles = profiles;
    this.#leave = circuits.onChange((id, _, state, hinted) => {
      if (state === "closed") this.#stop(id);
      else if (!hinted) this.#plan(id, FIRST_MS);
    });
  }

  close(): void {
    this.#closed = true;
    this.#leave();
    for (const id of [...this.#timers.keys()]) this.#stop(id);
  }

  #plan(id: string, waitMs: number): void {
    this.#stop(id);
    if (!this.#closed) this.#timers.set(id, setTimeout(() => void this.#ask(id, waitMs), waitMs).unref());
  }

  #stop(id: string): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }

  async #ask(id: string, waitedMs: number): Promise<void> {
    const target = this.#circuits.openTarget(id);
    if (target === undefined || isSomebodys(target)) return;
    // An answer of any kind closes the circuit, and that ends this.
    await this.#profiles.renew(target).catch(() => undefined);
    if (this.#circuits.isOpen(target)) this.#plan(id, Math.min(waitedMs * 2, MAX_MS));
  }
}

/** Nobody's token is the gateway's to look around with. */
function isSomebodys({ identity, oauth }: UpstreamTarget): boolean {
  return identity !== undefined || oauth !== undefined;
}

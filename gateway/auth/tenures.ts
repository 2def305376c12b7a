/**
 * Connections that stay open longer than a request: each ends with the proof it was opened with. When its time is over, when its token is
 * revoked, and when what its bearer may is no longer what it was; his client comes back and is asked again.
 */
import type { Principal } from "../../contract/principal.ts";
import type { Directory, DirectoryChange, Identity } from "./directory.ts";
import { principalOf, reachOf } from "./principal-of.ts";

const LOOK_MS = 1000;

type Held = { readonly principal: Principal; readonly end: () => void };
export type TenureOptions = {
  readonly directory: Pick<Directory, "standingOf">;
  /** Undefined for principals without a proof. */
  readonly identityOf: (principal: Principal) => Identity | undefined;
  /** Whether a connection goes on when nobody can say what its bearer may. */
  readonly goesOnUnknown: boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
};

export class Tenures {
  readonly #options: TenureOptions;
  readonly #held = new Set<Held>();
  #timer: NodeJS.Timeout | undefined;
  #reviewing = Promise.resolve();

  constructor(options: TenureOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#held.size;
  }

  /** `end` is called once at most, and never before this returns. The answer lets go; doing that twice is harmless. */
  hold(principal: Principal, end: () => void): () => void {
    const held = { principal, end };
    this.#held.add(held);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    return () => this.#leave(held);
  }

  /** A revoked token is ended at once; about everybody else the directory is asked, one after the other. */
  changed({ subject, tokenId }: DirectoryChange): void {
    const meant = [...this.#held].filter(({ principal }) => {
      if (this.#options.identityOf(principal) === undefined) return false;
      return (
        (subject === undefined || principal.id === subject) && (tokenId === undefined || principal.tokenId === tokenId)
      );
    });
    if (tokenId !== undefined) for (const held of meant) this.#end(held);
    else if (meant.length > 0) this.#reviewing = this.#reviewing.then(() => this.#review(meant));
  }

  async #review(meant: readonly Held[]): Promise<void> {
    for (const held of meant) {
      if (this.#held.has(held) && !(await this.#goesOn(held.principal))) this.#end(held);
    }
  }

  async #goesOn(principal: Principal): Promise<boolean> {
    const { directory, identityOf, goesOnUnknown } = this.#options;
    const identity = identityOf(principal);
    if (identity === undefined) return true;
    try {
      const standing = await directory.standingOf(identity);
      return standing.admitted && isSame(principalOf(identity, standing), principal);
    } catch {
      return goesOnUnknown;
    }
  }

  #look(): void {
    const now = this.#options.now();
    for (const held of this.#held) if (now >= (held.principal.expiresAt ?? Infinity)) this.#end(held);
  }

  #end(held: Held): void {
    if (!this.#held.has(held)) return;
    this.#leave(held);
    held.end();
  }

  #leave(held: Held): void {
    this.#held.delete(held);
    if (this.#held.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

function isSame(one: Principal, other: Principal): boolean {
  return JSON.stringify(reachOf(one)) === JSON.stringify(reachOf(other));
}

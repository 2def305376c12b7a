/** A clock that a test moves, and connections that answer by it: a load test without waiting, the same each time. */
import type { Clock } from "../../../cli/load/generator.ts";
import type { HttpAnswer } from "../../../cli/load/http-reader.ts";
import type { Link, LinkFailure } from "../../../cli/load/link.ts";

type Timer = { readonly at: number; readonly order: number; readonly then: () => void };

export class FakeClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#now;
  }

  after(ms: number, then: () => void): () => void {
    this.#order += 1;
    const timer = { at: this.#now + ms, order: this.#order, then };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Moves from timer to timer until the work is done. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const settled = work.finally(() => {
      isDone = true;
    });
    // The rejection is the caller's.
    settled.catch(() => undefined);
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isDone) return settled;
      const [next] = [...this.#timers].sort((a, b) => a.at - b.at || a.order - b.order);
      if (next === undefined) throw new Error("nothing is under way, and the work is not done");
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.then();
    }
  }
}

export type Served = { readonly afterMs: number; readonly answer: HttpAnswer | LinkFailure };

/** Connections to a server that answers each request after a time. `open` counts those that are not closed. */
export function fakeServer(clock: Clock, serve: (request: string) => Served) {
  const server = {
    requests: [] as string[],
    opened: 0,
    closed: 0,
    open(): Link {
      server.opened += 1;
      let cancel = (): void => undefined;
      return {
        send(request, done) {
          server.requests.push(request);
          const { afterMs, answer } = serve(request);
          cancel = clock.after(afterMs, () => done(answer));
        },
        close() {
          server.closed += 1;
          cancel();
        },
      };
    },
  };
  return server;
}

export function answerOf(status: number, body: string, headers: Readonly<Record<string, string>> = {}): HttpAnswer {
  return { status, header: (name) => headers[name], body: Buffer.from(body), keepAlive: true };
}

export const REFUSED: LinkFailure = { kind: "socket ECONNREFUSED", unreached: true };

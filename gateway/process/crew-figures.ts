/** The figures of a crew: asked of every worker, with what those that are gone have counted, so that no counter goes back. */
import { countsOf, type Figures, mergeFigures } from "../telemetry/index.ts";
import type { ChildMessage } from "./child.ts";
import type { Hand } from "./hand.ts";

type Question = { readonly waiting: Set<Hand>; readonly done: () => void };

export class CrewFigures {
  readonly #missed: () => void;
  readonly #last = new Map<Hand, Figures>();
  readonly #questions = new Map<number, Question>();
  #gone: Figures = [];
  #asked = 0;

  constructor(missed: () => void) {
    this.#missed = missed;
  }

  /** Resolves within `deadlineMs`: a worker that does not answer by then is counted, and its counts are the last that it told. */
  async ask(hands: Iterable<Hand>, deadlineMs: number): Promise<Figures> {
    const waiting = new Set(Array.from(hands).filter(({ state }) => state === "ready" || state === "leaving"));
    const late = new Set(waiting);
    const id = ++this.#asked;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, deadlineMs);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      if (waiting.size === 0) done();
      this.#questions.set(id, { waiting: late, done });
      for (const { member } of waiting) member.send({ type: "figures", id });
    });
    this.#questions.delete(id);
    for (let count = late.size; count > 0; count--) this.#missed();
    const known = Array.from(this.#last, ([hand, figures]) => (late.has(hand) ? countsOf(figures) : figures));
    return mergeFigures([this.#gone, ...known]);
  }

  told(hand: Hand, { id, figures }: ChildMessage): void {
    if (!isFigures(figures)) return;
    this.#last.set(hand, figures);
    if (typeof id === "number") this.#answered(id, hand);
  }

  /** What it counted stays. */
  gone(hand: Hand): void {
    const figures = this.#last.get(hand);
    if (figures !== undefined) this.#gone = mergeFigures([this.#gone, countsOf(figures)]);
    this.#last.delete(hand);
    for (const id of this.#questions.keys()) this.#answered(id, hand);
  }

  #answered(id: number, hand: Hand): void {
    const question = this.#questions.get(id);
    question?.waiting.delete(hand);
    if (question?.waiting.size === 0) question.done();
  }
}

/** Our own workers' words; only their outer form can be wrong. */
function isFigures(value: unknown): value is Figures {
  return (
    Array.isArray(value) && value.every((family) => typeof family === "object" && family !== null && "series" in family)
  );
}

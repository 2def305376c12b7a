/** A sink that tells the status of its answer once that begins. Part of the composition root. */
import type { Fault } from "../contract/errors.ts";
import type { ResponseSink } from "../contract/http.ts";
import type { RouteClass } from "../contract/routes.ts";

export type AnswerCounters = { http(routeClass: string, status: number): void };

/** Tells the status of the answer once it begins and adds headers to it; everything else is the sink behind it. */
export class CountedSink implements ResponseSink {
  /** Set where there was room for control messages alone. */
  callsRefused: Fault | undefined;
  private readonly sink: ResponseSink;
  private readonly added: Readonly<Record<string, string>> | undefined;
  private readonly routeClass: RouteClass;
  private readonly counters: AnswerCounters;
  private answered: ((status: number) => void) | undefined;

  constructor(
    sink: ResponseSink,
    added: Readonly<Record<string, string>> | undefined,
    routeClass: RouteClass,
    counters: AnswerCounters,
  ) {
    this.sink = sink;
    this.added = added;
    this.routeClass = routeClass;
    this.counters = counters;
    this.callsRefused = undefined;
    this.answered = undefined;
  }

  get closed(): boolean {
    return this.sink.closed;
  }
  onAnswered(listener: (status: number) => void): void {
    this.answered = listener;
  }
  respond(status: number, headers: Readonly<Record<string, string>>, body?: Uint8Array | string): void {
    this.begin(status);
    this.sink.respond(status, this.withAdded(headers), body);
  }
  open(status: number, headers: Readonly<Record<string, string>>): void {
    this.begin(status);
    this.sink.open(status, this.withAdded(headers));
  }
  write(chunk: Uint8Array | string): boolean {
    return this.sink.write(chunk);
  }
  end(): void {
    this.sink.end();
  }
  onDrain(listener: () => void): void {
    this.sink.onDrain(listener);
  }
  onClose(listener: () => void): void {
    this.sink.onClose(listener);
  }
  detach(): void {
    this.sink.detach();
  }

  /** The object itself where nothing is added: engines keep what they made of headers that come again and again. */
  private withAdded(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    return this.added === undefined ? headers : { ...this.added, ...headers };
  }

  private begin(status: number): void {
    this.counters.http(this.routeClass, status);
    this.answered?.(status);
  }
}

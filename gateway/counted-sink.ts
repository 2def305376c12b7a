/** A sink that tells the status of its answer once that begins. Part of the composition root. */
import type { ResponseSink } from "../contract/http.ts";

/** Tells the status of the answer once it begins and adds headers to it; everything else is the sink behind it. */
export class CountedSink implements ResponseSink {
  private readonly sink: ResponseSink;
  private readonly added: Readonly<Record<string, string>>;
  private readonly count: (status: number) => void;
  private answered: ((status: number) => void) | undefined;

  constructor(sink: ResponseSink, added: Readonly<Record<string, string>>, count: (status: number) => void) {
    this.sink = sink;
    this.added = added;
    this.count = count;
  }

  get closed(): boolean {
    return this.sink.closed;
  }
  onAnswered(listener: (status: number) => void): void {
    this.answered = listener;
  }
  respond(status: number, headers: Readonly<Record<string, string>>, body?: Uint8Array | string): void {
    this.begin(status);
    this.sink.respond(status, { ...this.added, ...headers }, body);
  }
  open(status: number, headers: Readonly<Record<string, string>>): void {
    this.begin(status);
    this.sink.open(status, { ...this.added, ...headers });
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

  private begin(status: number): void {
    this.count(status);
    this.answered?.(status);
  }
}

/** The answer to one request, towards the connection that it came on. */
import type { Admitted, ResponseSink } from "../../../contract/http.ts";
import type { Wire } from "./wire.ts";

export class WireSink implements ResponseSink {
  private readonly wire: Wire;
  private readonly admitted: Admitted;
  private state: "waiting" | "open" | "ended" = "waiting";
  private outcome: "complete" | "gone" | undefined;
  private gone: (() => void)[] | undefined;
  private drained: (() => void)[] | undefined;

  constructor(wire: Wire, admitted: Admitted) {
    this.wire = wire;
    this.admitted = admitted;
  }

  get closed(): boolean {
    return this.state === "ended" || this.outcome !== undefined || this.wire.isGone;
  }

  respond(status: number, headers: Readonly<Record<string, string>>, body?: Uint8Array | string): void {
    if (this.state !== "waiting" || this.closed) return;
    this.state = "ended";
    this.wire.respond(status, headers, body);
  }

  open(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.state !== "waiting" || this.closed) return;
    this.state = "open";
    this.wire.open(status, headers);
  }

  write(chunk: Uint8Array | string): boolean {
    if (this.state !== "open" || this.closed) return true;
    return this.wire.write(chunk);
  }

  end(): void {
    if (this.state !== "open" || this.closed) return;
    this.state = "ended";
    this.wire.end();
  }

  onDrain(listener: () => void): void {
    this.drained ??= [];
    this.drained.push(listener);
  }

  onClose(listener: () => void): void {
    if (this.outcome === undefined) {
      this.gone ??= [];
      this.gone.push(listener);
    } else if (this.outcome === "gone") queueMicrotask(listener);
  }

  detach(): void {
    this.admitted.leave();
  }

  /** The peer takes more again. */
  drain(): void {
    if (this.drained !== undefined) for (const listener of this.drained) listener();
  }

  /** Called once: the answer has been sent whole, or its peer is gone. */
  finish(outcome: "complete" | "gone"): void {
    this.outcome = outcome;
    this.admitted.leave();
    const listeners = this.gone;
    this.gone = undefined;
    if (outcome === "gone" && listeners !== undefined) for (const listener of listeners) listener();
  }
}

/** What has to be taken down again. Part of the composition root. */
import type { Log } from "./telemetry/index.ts";

/** What has been started, newest last; taken down in the reverse order, each step whatever the others do. */
export class Teardown {
  private readonly steps: { readonly name: string; readonly run: () => void | Promise<void> }[] = [];
  private readonly log: Log;

  constructor(log: Log) {
    this.log = log;
  }

  add(name: string, run: () => void | Promise<void>): void {
    this.steps.push({ name, run });
  }

  async run(): Promise<void> {
    for (const { name, run } of this.steps.splice(0).reverse()) {
      try {
        await run();
      } catch (error) {
        this.log.warn("a part could not be closed", { part: name, reason: String(error) });
      }
    }
  }
}

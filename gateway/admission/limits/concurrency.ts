/** How many calls of one tool run at once in this process (TOOL_CONCURRENT_LIMIT). */
import { type Fault, fault } from "../../../contract/errors.ts";

export class ToolConcurrency {
  readonly #limit: number;
  readonly #running = new Map<string, number>();
  /** Those that were counted: others may be told of, too, when they end. */
  readonly #counted = new WeakMap<object, string>();

  /** 0 sets no limit. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  begin(call: object, tool: string): Fault | undefined {
    const running = this.#running.get(tool) ?? 0;
    if (running >= this.#limit)
      return fault(
        "MCPS_TOOL_BUSY",
        { tool, limit: this.#limit },
        { tool, limit: this.#limit },
        { "retry-after": "1" },
      );
    this.#running.set(tool, running + 1);
    this.#counted.set(call, tool);
    return undefined;
  }

  end(call: object): void {
    const tool = this.#counted.get(call);
    if (tool === undefined) return;
    this.#counted.delete(call);
    const running = (this.#running.get(tool) ?? 1) - 1;
    if (running === 0) this.#running.delete(tool);
    else this.#running.set(tool, running);
  }
}

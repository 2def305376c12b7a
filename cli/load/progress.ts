/** A bar on a terminal while a load test runs; nothing where nobody looks. */
import type { Progress } from "./steps.ts";

const WIDTH = 30;

export type Terminal = { readonly isTTY?: boolean; write(text: string): unknown };

/** `clear` removes the bar, so that the report starts on a line of its own. */
export function progressBar(terminal: Terminal, totalSeconds: number): { show(at: Progress): void; clear(): void } {
  if (terminal.isTTY !== true) return { show: () => undefined, clear: () => undefined };
  return {
    show({ step, doneSeconds, requests }) {
      const share = Math.min(1, doneSeconds / totalSeconds);
      const bar = "█".repeat(Math.round(share * WIDTH)).padEnd(WIDTH, "░");
      const time = `${doneSeconds.toFixed(0)}/${totalSeconds.toFixed(0)} s`;
      // Carriage return, then erase to the end of the line (ECMA-48 EL).
      terminal.write(`\r\x1b[K${bar} ${time}  ${step}, ${requests} requests`);
    },
    clear: () => void terminal.write("\r\x1b[K"),
  };
}

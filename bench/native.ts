/** The bench's programs in C, compiled where a compiler is. */
import { join } from "node:path";
import { BESIDE, isInstalled, output, start } from "./machine.ts";

/** The path of the program, or undefined where there is no compiler or no Linux (they use epoll). */
export async function compiled(directory: string, name: "upstream" | "arrivals"): Promise<string | undefined> {
  if (process.platform !== "linux" || !isInstalled("cc", "--version")) return undefined;
  const program = join(directory, name);
  await output(start(BESIDE, "cc", ["-O2", "-o", program, join(import.meta.dirname, `${name}.c`), "-lm"]));
  return program;
}

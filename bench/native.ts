/** The bench's programs in C, compiled where a compiler is. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BESIDE, isInstalled, output, start } from "./machine.ts";

/** The path of the program, compiled once into a directory, or undefined where there is no compiler or no Linux (they use epoll). */
export async function compiled(directory: string, name: "upstream" | "arrivals"): Promise<string | undefined> {
  if (process.platform !== "linux" || !isInstalled("cc", "--version")) return undefined;
  const program = join(directory, name);
  if (existsSync(program)) return program;
  await output(start(BESIDE, "cc", ["-O2", "-o", program, join(import.meta.dirname, `${name}.c`), "-lm"]));
  return program;
}

/** Targets that Pulumi brings up: its command line is run where it is installed, and named where it is not. */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { say } from "./print.ts";

const REPOSITORY = resolve(import.meta.dirname, "..");

/** Its exit code. Throws RangeError with the command to run where Pulumi is not on PATH. */
export async function runPulumiUp(stack: string, target: string): Promise<number> {
  const line = `pulumi up -s ${stack}`;
  if (!isInstalled("pulumi"))
    throw new RangeError(
      `stack ${stack} runs on ${target}: ${line} does that, and Pulumi's command line is not on PATH`,
    );
  say(line);
  const child = spawn("pulumi", ["up", "-s", stack], { cwd: REPOSITORY, stdio: "inherit" });
  return await new Promise((answer, fail) => {
    child.once("error", fail);
    child.once("exit", (code) => answer(code ?? 1));
  });
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

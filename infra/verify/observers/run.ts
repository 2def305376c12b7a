/** Runs a program of this machine to its end, with everything it printed. */
import { spawn } from "node:child_process";
import type { Ran } from "../observer.ts";

const LIMIT_MS = 15_000;
const MAX_BYTES = 4 * 1024 * 1024;

export type Run = (
  command: readonly string[],
  options?: { readonly environment?: Readonly<Record<string, string>> },
) => Promise<Ran>;

/** Without `environment` the program has the caller's. Never rejects; exit code 127 where it cannot be started. */
export const runProgram: Run = ([program = "", ...args], { environment } = {}) =>
  new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: LIMIT_MS,
      killSignal: "SIGKILL",
      ...(environment === undefined ? {} : { env: { ...environment } }),
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (stdout.length < MAX_BYTES) stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (stderr.length < MAX_BYTES) stderr += text;
    });
    child.once("error", (error) => resolve({ code: 127, stdout, stderr: error.message }));
    child.once("close", (code, signal) => {
      const reason = signal === null ? stderr : `${stderr}no answer in ${LIMIT_MS / 1000} s`;
      resolve({ code: code ?? 1, stdout, stderr: reason });
    });
  });

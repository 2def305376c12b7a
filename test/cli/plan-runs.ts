/** `mcp-stack plan` in a directory of its own, as a process or within this one. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { vi } from "vitest";
import { stringify } from "yaml";
import { main } from "../../cli/main.ts";
import { compiled } from "../harness/index.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** A directory with Pulumi.<stack>.yaml for each of the stacks. */
export function folder(stacks: Readonly<Record<string, unknown>> = {}): string {
  const cwd = mkdtempSync(join(tmpdir(), "plan-"));
  for (const [name, sizing] of Object.entries(stacks))
    writeFileSync(join(cwd, `Pulumi.${name}.yaml`), stringify({ config: { "mcp-stack:sizing": sizing } }));
  return cwd;
}

type Answer = { readonly status: number | null; readonly stdout: string; readonly stderr: string };

/** As a process of its own. */
export function spawned(cwd: string, args: readonly string[], input: string): Answer {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "cli/mcp-stack.js"), "plan", ...args], {
    cwd,
    input,
    env: { PATH: process.env.PATH, ...compiled() },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

/** The same within this process, which is a tenth of the time. */
export async function run(cwd: string, args: readonly string[]): Promise<Answer> {
  const written = { stdout: "", stderr: "" };
  const home = process.cwd();
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      written[name] += String(chunk);
      return true;
    }),
  );
  process.chdir(cwd);
  try {
    return { status: await main(["plan", ...args]), ...written };
  } finally {
    process.chdir(home);
    for (const spy of spies) spy.mockRestore();
  }
}

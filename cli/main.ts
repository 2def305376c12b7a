/** The command line: finds the command, loads only that one, and turns every failure into a sentence and an exit code. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../contract/errors.ts";
import { nearestOf } from "../contract/nearest.ts";
import { type Command, optionHelp, UsageError } from "./command.ts";
import { version } from "./version.ts";

const commands: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  serve: () => import("./commands/serve.ts"),
  token: () => import("./commands/token.ts"),
  audit: () => import("./commands/audit.ts"),
  migrate: () => import("./commands/migrate.ts"),
  settings: () => import("./commands/settings.ts"),
  plan: () => import("./commands/plan.ts"),
  simulate: () => import("./commands/simulate.ts"),
  render: () => import("./commands/render.ts"),
  up: () => import("./commands/up.ts"),
  status: () => import("./commands/status.ts"),
  verify: () => import("./commands/verify.ts"),
  down: () => import("./commands/down.ts"),
  load: () => import("./commands/load.ts"),
  docs: () => import("./commands/docs.ts"),
};

/** Answers the exit code: 0, 1 for a failure, 2 for a command line that cannot be understood unless the command says otherwise. */
export async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  let usageExitCode = 2;
  try {
    if (name === undefined || name === "--help" || name === "-h" || name === "help") return await overview();
    if (name === "--version" || name === "-v") return print(`${version()}\n`);
    const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (load === undefined) throw new UsageError(unknownCommand(name));
    if (!isInstalled(name))
      throw new UsageError(`${name} is not in the gateway's image; it runs in a checkout of the project`);
    const { command } = await load();
    usageExitCode = command.usageExitCode ?? usageExitCode;
    if (rest.includes("--help") || rest.includes("-h"))
      return print(`mcp-stack ${name}: ${command.summary}\n\n${optionHelp(command.options)}`);
    return await command.run(rest);
  } catch (error) {
    return failed(error, usageExitCode);
  }
}

async function overview(): Promise<number> {
  let text = "mcp-stack <command> [options]\n\n";
  for (const [name, load] of Object.entries(commands).filter(([name]) => isInstalled(name)))
    text += `  ${name.padEnd(10)}${(await load()).command.summary}\n`;
  return print(`${text}\nmcp-stack <command> --help shows the options of a command; --version the version.\n`);
}

/** The gateway's image has only the commands that a gateway needs. */
function isInstalled(name: string): boolean {
  return existsSync(join(import.meta.dirname, "commands", `${name}.ts`));
}

function unknownCommand(name: string): string {
  return `unknown command ${JSON.stringify(name.slice(0, 100))}; the nearest is ${nearestOf(name, Object.keys(commands))}`;
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

/** A Fault and a RangeError speak for themselves; anything else is a defect and shows where it happened. */
function failed(error: unknown, usageExitCode: number): number {
  if (error instanceof UsageError) {
    process.stderr.write(`mcp-stack: ${error.message}\nmcp-stack --help shows the commands.\n`);
    return usageExitCode;
  }
  const isExpected = error instanceof Fault || error instanceof RangeError;
  const text = error instanceof Error ? (isExpected ? error.message : (error.stack ?? error.message)) : String(error);
  process.stderr.write(`mcp-stack: ${error instanceof Fault ? `${error.code}: ` : ""}${text}\n`);
  return 1;
}

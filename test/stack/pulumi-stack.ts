/** A stack of the real Pulumi with state, configuration and secrets of its own; nothing of it is in the project's directory. */
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { temporaryDirectory } from "../harness/index.ts";

export const ROOT = join(import.meta.dirname, "../..");
const execute = promisify(execFile);
/** An update under load, with a build of the image. */
const LIMIT_MS = 540_000;

/** Why Pulumi cannot run a program with these plugins; undefined where it can. */
export function missingForPulumi(needed: readonly string[]): string | undefined {
  if (!answers("pulumi", "version")) return "not installed: pulumi";
  const plugins = execFileSync("pulumi", ["plugin", "ls", "--json"], { encoding: "utf8" });
  const names = z.array(z.looseObject({ name: z.string() })).parse(JSON.parse(plugins));
  const absent = needed.filter((name) => !names.some((one) => one.name === name));
  return absent.length === 0 ? undefined : `not installed: Pulumi's plugins ${absent.join(", ")}`;
}

/** Whether a program is there and ends well within 20 s. */
export function answers(program: string, ...argv: readonly string[]): boolean {
  try {
    execFileSync(program, argv, { stdio: "ignore", timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}

export type PulumiStack = {
  readonly name: string;
  /** Its program, its stack file and, under `.pulumi`, its state with every version before. */
  readonly directory: string;
  /** What `pulumi` says; throws with it where it fails. */
  pulumi(...argv: readonly string[]): Promise<string>;
  /** The same with more environment. */
  pulumiWith(env: Readonly<Record<string, string>>, ...argv: readonly string[]): Promise<string>;
  /** Writes `config` of the stack file; secrets that were set stay. */
  configure(config: Readonly<Record<string, unknown>>): Promise<void>;
  /** A secret of the configuration, which no process argument shows. */
  setSecret(key: string, value: string): Promise<void>;
  /** Its directory, with the state in it. */
  remove(): Promise<void>;
};

/** A directory with the program of this repository in it, under a stack called `name`. */
export async function pulumiStack(name: string): Promise<PulumiStack> {
  const directory = await temporaryDirectory();
  await writeProgram(directory.path);
  const file = join(directory.path, `Pulumi.${name}.yaml`);
  const own = {
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ""}`,
    PULUMI_BACKEND_URL: `file://${directory.path}`,
    PULUMI_CONFIG_PASSPHRASE: "of a test",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  const common = ["--stack", name, "--non-interactive", "--color", "never"];
  const secrets = new Set<string>();
  const pulumiWith: PulumiStack["pulumiWith"] = async (env, ...argv) => {
    try {
      const { stdout } = await execute("pulumi", [...argv, ...common], {
        cwd: directory.path,
        env: { ...own, ...env },
        timeout: LIMIT_MS,
        maxBuffer: 64 * 1024 * 1024,
      });
      return stdout;
    } catch (error) {
      const said = z.looseObject({ stdout: z.string(), stderr: z.string() }).safeParse(error);
      throw new Error(
        `pulumi ${argv.join(" ")}: ${said.success ? said.data.stdout + said.data.stderr : String(error)}`,
      );
    }
  };
  return {
    name,
    directory: directory.path,
    pulumiWith,
    pulumi: (...argv) => pulumiWith({}, ...argv),
    async configure(config) {
      // Pulumi keeps there what its secrets are encrypted with, and the secrets.
      const kept = stackFile.parse(existsSync(file) ? parse(await readFile(file, "utf8")) : {});
      const set = Object.entries(kept.config).filter(([key]) => secrets.has(key));
      const content = { ...kept, config: { ...config, ...Object.fromEntries(set) } };
      // Pulumi reads YAML 1.1, in which a date without quotes is no text.
      await writeFile(file, stringify(content, { defaultStringType: "QUOTE_DOUBLE" }));
    },
    async setSecret(key, value) {
      const argv = ["config", "set", "--secret", key, ...common];
      const setting = spawn("pulumi", argv, { cwd: directory.path, env: own, stdio: ["pipe", "ignore", "pipe"] });
      const ended = new Promise<number | null>((resolve, reject) =>
        setting.once("error", reject).once("close", resolve),
      );
      setting.stdin.end(value);
      const [code, said] = await Promise.all([ended, text(setting.stderr)]);
      if (code !== 0) throw new Error(`pulumi config set --secret ${key} ended with ${code}: ${said}`);
      secrets.add(key);
    },
    remove: () => directory.remove(),
  };
}

const stackFile = z.looseObject({ config: z.record(z.string(), z.unknown()).default({}) });

async function writeProgram(directory: string): Promise<void> {
  await symlink(join(ROOT, "node_modules"), join(directory, "node_modules"));
  const program = { name: "mcp-stack", main: "index.ts", runtime: { name: "nodejs", options: { typescript: false } } };
  await writeFile(join(directory, "Pulumi.yaml"), stringify(program));
  await writeFile(join(directory, "package.json"), `${JSON.stringify({ type: "module" })}\n`);
  await writeFile(
    join(directory, "index.ts"),
    `export { default } from ${JSON.stringify(join(ROOT, "infra/index.ts"))};\n`,
  );
}

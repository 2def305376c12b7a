/** The stack's secrets on this machine: made once, kept in a file that only its owner reads, made again when their version changes. */
import { randomInt } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { SecretDeclaration } from "../../topology/index.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const keptSchema = z.record(z.string(), z.strictObject({ version: z.string(), value: z.string() }));
type Kept = z.infer<typeof keptSchema>;

/** The environment variable that gives a secret to the local target. */
export function variableOf(name: string): string {
  return `MCP_STACK_SECRET_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** Letters and digits, evenly. */
export function makeSecret(length: number): string {
  return Array.from({ length }, () => ALPHABET.charAt(randomInt(ALPHABET.length))).join("");
}

/**
 * Every secret by name. `given`: environment variables. Throws RangeError with all that are missing, by key and variable, never with a
 * value; nothing is written then.
 */
export async function openSecrets(
  directory: string,
  declared: readonly SecretDeclaration[],
  given: Readonly<Record<string, string | undefined>>,
): Promise<Readonly<Record<string, string>>> {
  const absent = declared.filter((one) => one.kind === "given" && (given[variableOf(one.name)] ?? "") === "");
  if (absent.length > 0) throw new RangeError(absent.map(absentText).join("\n"));
  const file = join(directory, "secrets.json");
  const kept = await readKept(file);
  const made: Kept = { ...kept };
  const values: Record<string, string> = {};
  for (const one of declared) {
    if (one.kind === "given") {
      values[one.name] = given[variableOf(one.name)] ?? "";
      continue;
    }
    const old = kept[one.name];
    const entry = old?.version === one.version ? old : { version: one.version, value: makeSecret(one.length) };
    made[one.name] = entry;
    values[one.name] = entry.value;
  }
  await writeKept(file, made);
  return values;
}

function absentText(one: SecretDeclaration): string {
  const key = one.kind === "given" ? one.key : one.name;
  return `secret ${one.name} (${one.why}) is not given: on this machine the environment variable ${variableOf(one.name)} holds what the key ${key} of the stack's configuration holds elsewhere`;
}

async function readKept(file: string): Promise<Kept> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw error;
  }
  // A file that cannot be understood is not written over: a database may have been made with what is in it.
  const parsed = keptSchema.safeParse(parseJson(text));
  if (!parsed.success)
    throw new RangeError(`${file} is not what was written there; restore it, or remove it together with the data`);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whole or not at all: half a file would lock everybody out of the database. */
async function writeKept(file: string, kept: Kept): Promise<void> {
  await writeFile(`${file}.new`, `${JSON.stringify(kept, null, 2)}\n`, { mode: 0o600, flush: true });
  await rename(`${file}.new`, file);
}

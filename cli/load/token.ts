/** The token that a load test presents. It is never printed, not even where it is wrong. */
import { readFile } from "node:fs/promises";
import { UsageError } from "../command.ts";

type Sources = {
  readonly token: string | undefined;
  readonly file: string | undefined;
  readonly environment: string | undefined;
};

/** Throws UsageError where the file cannot be read, or what is there cannot stand in a header. */
export async function readToken({ token, file, environment }: Sources): Promise<string | undefined> {
  if (token !== undefined) return checked(token, "--token");
  if (file !== undefined) return checked(await contentOf(file), `--token-file ${file}`);
  return environment === undefined || environment === "" ? undefined : checked(environment, "MCP_STACK_TOKEN");
}

async function contentOf(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (error) {
    throw new UsageError(`--token-file cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function checked(token: string, source: string): string {
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new UsageError(`${source} holds no token: it has to be printable ASCII without blanks, and not empty`);
}

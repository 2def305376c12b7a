/** `mcp-stack docs`: writes docs/reference and the JSON Schema of stack files from the declarations. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { STACK_SCHEMA_FILE } from "../../infra/config.ts";
import { type Command, readOptions } from "../command.ts";
import { referencePages, stackSchemaText } from "../reference.ts";

const options = {} as const;

export const command: Command = {
  summary: "write the reference pages and the JSON Schema of stack files",
  options,
  async run(argv) {
    readOptions(argv, options);
    const root = join(import.meta.dirname, "..", "..");
    const directory = join(root, "docs", "reference");
    await mkdir(directory, { recursive: true });
    for (const [name, text] of Object.entries(referencePages())) await writeFile(join(directory, name), text);
    await writeFile(join(root, STACK_SCHEMA_FILE), stackSchemaText());
    process.stdout.write(`${directory}\n`);
    return 0;
  },
};

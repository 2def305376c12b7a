/** `mcp-stack docs`: writes docs/reference from the declarations. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Command, readOptions } from "../command.ts";
import { referencePages } from "../reference.ts";

const options = {} as const;

export const command: Command = {
  summary: "write the reference pages of settings, errors and metrics",
  options,
  async run(argv) {
    readOptions(argv, options);
    const directory = join(import.meta.dirname, "..", "..", "docs", "reference");
    await mkdir(directory, { recursive: true });
    for (const [name, text] of Object.entries(referencePages())) await writeFile(join(directory, name), text);
    process.stdout.write(`${directory}\n`);
    return 0;
  },
};

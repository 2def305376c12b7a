/** `mcp-stack settings`: what this environment means to the gateway, without starting it. */
import { loadSettings, printSettings } from "../../gateway/settings/index.ts";
import { type Command, readOptions } from "../command.ts";

const options = {} as const;

export const command: Command = {
  summary: "print every setting with where it comes from",
  options,
  async run(argv) {
    readOptions(argv, options);
    const { settings, provenance, warnings } = loadSettings();
    for (const warning of warnings) process.stderr.write(`${warning}\n`);
    process.stdout.write(printSettings(settings, provenance));
    return 0;
  },
};

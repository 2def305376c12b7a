/** `mcp-stack serve`: runs the gateway. */

import { loadSettings, printSettings } from "../../gateway/settings/index.ts";
import { type Command, readOptions } from "../command.ts";

const options = {
  host: { type: "string", value: "<address>", help: "Address to listen on (HOST)" },
  port: { type: "string", value: "<port>", help: "Port to listen on, 0 takes a free one (PORT)" },
  config: { type: "string", value: "<file>", help: "Upstreams in the mcpServers form of MCP clients (MCP_CONFIG)" },
  "data-dir": { type: "string", value: "<directory>", help: "Embedded database and generated secrets (DATA_DIR)" },
  json: { type: "boolean", help: "Print one JSON line when ready and nothing else on stdout" },
  "first-run": { type: "boolean", help: "Make what is not configured: secrets, a token, the example server" },
  "print-settings": { type: "boolean", help: "Print every setting with where it comes from, and end" },
} as const;

export const command: Command = {
  summary: "run the gateway",
  options,
  async run(argv) {
    const given = readOptions(argv, options);
    const cli = { HOST: given.host, PORT: given.port, MCP_CONFIG: given.config, DATA_DIR: given["data-dir"] };
    const loaded = loadSettings({ cli });
    if (given["print-settings"] === true) {
      process.stdout.write(printSettings(loaded.settings, loaded.provenance));
      return 0;
    }
    const { serve } = await import("../../gateway/main.ts");
    return await serve({ loaded, json: given.json === true, firstRun: given["first-run"] === true });
  },
};

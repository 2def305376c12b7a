/** `mcp-stack serve`: runs the gateway. */

import { availableParallelism, totalmem } from "node:os";
import { loadSettings, printSettings } from "../../gateway/settings/index.ts";
import { type Command, readOptions } from "../command.ts";
import { descriptorLimit } from "../descriptors.ts";

const options = {
  host: { type: "string", value: "<address>", help: "Address to listen on (HOST)" },
  port: { type: "string", value: "<port>", help: "Port to listen on, 0 takes a free one (PORT)" },
  config: { type: "string", value: "<file>", help: "Upstreams in the mcpServers form of MCP clients (MCP_CONFIG)" },
  "data-dir": { type: "string", value: "<directory>", help: "Embedded database and generated secrets (DATA_DIR)" },
  json: { type: "boolean", help: "Print one JSON line when ready and nothing else on stdout" },
  "first-run": { type: "boolean", help: "Make what is not configured: secrets, a token, the example server" },
  "print-settings": { type: "boolean", help: "Print every setting with where it comes from, and end" },
} as const;

const NO_PLAN =
  "No plan holds on this machine: it has too little memory, or grants too few descriptors. The gateway runs with its defaults.\n";

export const command: Command = {
  summary: "run the gateway",
  options,
  async run(argv) {
    const given = readOptions(argv, options);
    const cli = { HOST: given.host, PORT: given.port, MCP_CONFIG: given.config, DATA_DIR: given["data-dir"] };
    const planned = given["first-run"] === true ? await planMachine() : undefined;
    const load = () => loadSettings({ cli, ...(planned === undefined ? {} : { planned: planned.settings }) });
    const loaded = load();
    if (given["print-settings"] === true) {
      process.stdout.write(printSettings(loaded.settings, loaded.provenance));
      return 0;
    }
    if (given["first-run"] === true && given.json !== true) process.stdout.write(planned?.text ?? NO_PLAN);
    const { serve } = await import("../../gateway/main.ts");
    const reload = async () => load();
    return await serve({ loaded, reload, json: given.json === true, firstRun: given["first-run"] === true });
  },
};

/** A machine on which no plan holds is served with the defaults: somebody who tries is not sent away. */
async function planMachine() {
  const { planForMachine } = await import("../../infra/this-machine.ts");
  return planForMachine({
    cores: availableParallelism(),
    memoryMiB: Math.floor(totalmem() / 1024 / 1024),
    nofile: descriptorLimit(),
  });
}

/** `mcp-stack serve`: runs the gateway. */

import { availableParallelism, totalmem } from "node:os";
import { loadSettings, printSettings, sizeThreadPool } from "../../gateway/settings/index.ts";
import { type Command, readOptions, UsageError } from "../command.ts";
import { descriptorLimit } from "../descriptors.ts";

const options = {
  host: { type: "string", value: "<address>", help: "Address to listen on (HOST)" },
  port: { type: "string", value: "<port>", help: "Port to listen on, 0 takes a free one (PORT)" },
  config: { type: "string", value: "<file>", help: "Upstreams in the mcpServers form of MCP clients (MCP_CONFIG)" },
  "data-dir": { type: "string", value: "<directory>", help: "Embedded database and generated secrets (DATA_DIR)" },
  processes: { type: "string", value: "<file>", help: "Where a named process stands (PROCESSES_FILE)" },
  json: { type: "boolean", help: "Print one JSON line when ready and nothing else on stdout" },
  "first-run": { type: "boolean", help: "Make what is not configured: secrets, a token, the example server" },
  "print-settings": { type: "boolean", help: "Print every setting with where it comes from, and end" },
} as const;

const NO_PLAN =
  "No plan holds on this machine: it has too little memory, or grants too few descriptors. The gateway runs with its defaults.\n";

export const command: Command = {
  summary: "run the gateway, or a named process: serve <name>",
  options,
  async run(argv) {
    const [name, rest] =
      argv[0] === undefined || argv[0].startsWith("-") ? [undefined, argv] : [argv[0], argv.slice(1)];
    const given = readOptions(rest, options);
    if (given.processes !== undefined && name === undefined)
      throw new UsageError("--processes is for a named process: mcp-stack serve <name> --processes <file>");
    const cli = {
      HOST: given.host,
      PORT: given.port,
      MCP_CONFIG: given.config,
      DATA_DIR: given["data-dir"],
      PROCESSES_FILE: given.processes,
    };
    const planned = given["first-run"] === true ? await planMachine() : undefined;
    const load = async () =>
      loadSettings({
        cli,
        ...(name === undefined ? {} : { process: await namedProcess(name) }),
        ...(planned === undefined ? {} : { planned: planned.settings }),
      });
    const loaded = await load();
    if (given["print-settings"] === true) {
      process.stdout.write(printSettings(loaded.settings, loaded.provenance));
      return 0;
    }
    sizeThreadPool(loaded.settings);
    if (given["first-run"] === true && given.json !== true) process.stdout.write(planned?.text ?? NO_PLAN);
    const { serve } = await import("../../gateway/main.ts");
    return await serve({ loaded, reload: load, json: given.json === true, firstRun: given["first-run"] === true });
  },
};

/** Most gateways are not started as one: the reader of the file is loaded for those that are. */
async function namedProcess(name: string) {
  const { parse } = await import("yaml");
  return { name, parse: (text: string): unknown => parse(text) };
}

/** A machine on which no plan holds is served with the defaults: somebody who tries is not sent away. */
async function planMachine() {
  const { planForMachine } = await import("../../infra/this-machine.ts");
  return planForMachine({
    cores: availableParallelism(),
    memoryMiB: Math.floor(totalmem() / 1024 / 1024),
    nofile: descriptorLimit(),
  });
}

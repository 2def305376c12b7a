#!/usr/bin/env node
// Starts the command line on the Node that npm installed with the project. Runs on Node 20 and later: plain JavaScript only.
import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import * as nodeModule from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const NEEDED = 26;
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR2"];
const here = dirname(fileURLToPath(import.meta.url));

if (Number(process.versions.node.split(".")[0]) >= NEEDED) {
  if (process.argv[2] === "serve") useKeptCompilations(join(process.env.DATA_DIR || ".data", "cache", "compiled"));
  const { main } = await import("./main.ts");
  process.exitCode = await main(process.argv.slice(2));
} else {
  runOnPinnedNode(join(here, "..", "node_modules", "node", "bin", process.platform === "win32" ? "node.exe" : "node"));
}

/** What a gateway keeps in its data directory (gateway/compile-cache.ts) serves from the first module on, where the directory is where it mostly is. */
function useKeptCompilations(directory) {
  const found = statSync(directory, { throwIfNoEntry: false });
  // It holds code: only what we have written ourselves is run.
  if (found?.uid === process.getuid?.()) nodeModule.enableCompileCache(directory);
}

function runOnPinnedNode(node) {
  if (!existsSync(node)) {
    console.error(
      `mcp-stack needs Node ${NEEDED}, this is ${process.version}. Run \`npm ci\` in the project: it installs that Node.`,
    );
    process.exitCode = 1;
    return;
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
  // A terminal signals its whole foreground group: the child has Ctrl-C already, and a second one would cut its drain short.
  const isFromTerminal = (signal) => (signal === "SIGINT" || signal === "SIGHUP") && process.stdin.isTTY === true;
  for (const signal of FORWARDED) process.on(signal, () => isFromTerminal(signal) || child.kill(signal));
  child.on("error", (error) => {
    console.error(`${node} does not start: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

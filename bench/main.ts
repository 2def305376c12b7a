/**
 * `npm run bench`: what tools/call costs through the gateway, as a ratio to nginx as a plain proxy and to no proxy at all, and what a
 * gateway costs besides. `--write` puts the tables into docs/performance.md. Takes about three minutes.
 */
import { spawnSync } from "node:child_process";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { pinned } from "./machine.ts";
import { writeSections } from "./page.ts";
import { measureProcesses, type Processes } from "./processes.ts";
import { callTable, eventTable, processTable } from "./tables.ts";
import { type Comparison, compare } from "./tools-call.ts";

const { values } = parseArgs({
  options: {
    /** Only direct and nginx: what the machine itself gives. */
    "reference-only": { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    rounds: { type: "string", default: "7" },
    seconds: { type: "string", default: "3" },
    connections: { type: "string", default: "64" },
    /** Sessions opened for the memory figure; 0 leaves start and memory out. */
    sessions: { type: "string", default: "10000" },
  },
});
const plan = {
  rounds: Number(values.rounds),
  secondsPerRound: Number(values.seconds),
  connections: Number(values.connections),
  withGateway: !values["reference-only"],
};
const sessions = plan.withGateway ? Number(values.sessions) : 0;

function nginxVersion(): string {
  const { stderr = "" } = spawnSync("nginx", ["-v"], { encoding: "utf8" });
  return /nginx\/(\S+)/.exec(stderr)?.[1] ?? "none";
}

function sections(comparison: Comparison, processes: Processes | undefined): Record<string, string> {
  const how = pinned
    ? "The program under test runs on core 0, the load generator and the upstream on core 1."
    : "Nothing is pinned to a core on this machine.";
  return {
    "tools/call": `\`npm run bench -- --write\`: ${plan.rounds} alternating rounds of ${plan.secondsPerRound} s in one run, Node ${process.version},
nginx ${nginxVersion()} with one worker, ${cpus().length} cores (${cpus()[0]?.model.trim() ?? "unknown"}). ${how}

A small answer (200 bytes) from a Node upstream over ${plan.connections} keep-alive connections; through the gateway with JWT
authentication, admission, session and metrics on. "Of nginx" compares calls per second with the proxy on one core: there nginx
waits for the upstream and the generator, which share the other core. "Per core" compares CPU time per call, so it is the harder one.

${callTable(comparison)}`,
    Events: `Each call is answered with 200 log messages as events of an SSE stream before the result; the gateway scans each, and keeps it for a
client that resumes.

${eventTable(comparison)}`,
    ...(processes === undefined
      ? {}
      : {
          "Start and memory": `A gateway as \`npm start\` runs it, with the embedded database and the example server over stdio. The first start creates the database.
Each of the sessions was opened and left open after one call; a session is its token, so the gateway keeps a bounded number of
opened tokens and the upstream sessions it holds for them, not the sessions.

${processTable(processes)}`,
        }),
  };
}

const comparison = await compare(plan, (line) => process.stderr.write(`${line}\n`));
const processes = sessions > 0 ? await measureProcesses(sessions) : undefined;
const measured = sections(comparison, processes);
for (const [heading, text] of Object.entries(measured)) process.stdout.write(`## ${heading}\n\n${text}\n\n`);
if (values.write) await writeSections(measured);

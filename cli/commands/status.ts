/** `mcp-stack status`: what of a stack runs on this machine, since when, and what is wrong with it. */
import { alignTable } from "../../infra/sizing/report/index.ts";
import { type Record, type Status, statusOf } from "../../infra/targets/local/index.ts";
import { type Command, readOptions } from "../command.ts";
import { dataDirectoryOf, readStackFile } from "../local-stack.ts";
import { printJson } from "../print.ts";

const options = {
  stack: { type: "string", short: "s", value: "<stack>", help: "Stack to look at" },
  "data-dir": { type: "string", value: "<directory>", help: "Where up keeps data, files and logs of the stack" },
  json: { type: "boolean", help: "The state as one JSON document" },
} as const;

const NOT_READY = 1;

export const command: Command = {
  summary: "show what of a stack runs here",
  options,
  async run(argv) {
    const values = readOptions(argv, options);
    const { name } = await readStackFile(values.stack);
    const status = await statusOf(dataDirectoryOf(name, values["data-dir"]));
    if (values.json === true) printJson(status ?? null);
    else process.stdout.write(status === undefined ? `stack ${name} does not run\n` : statusText(status, Date.now()));
    const isReady = status?.isSupervised === true && status.state.workloads.every(isGood);
    return isReady ? 0 : NOT_READY;
  },
};

function isGood({ state, kind }: Record): boolean {
  return state === (kind === "job" ? "done" : "ready");
}

/** A table, then what failed, then what does not run here. */
export function statusText({ state, isSupervised }: Status, now: number): string {
  const rows = state.workloads.map((one) => [
    one.name,
    one.state,
    one.identity === null ? "-" : String(one.identity.pid),
    one.ports.map(({ port }) => port).join(",") || "-",
    String(one.restarts),
    durationText(now - one.since),
  ]);
  const head = ["workload", "state", "pid", "ports", "restarts", "since"];
  const failures = state.workloads.filter((one) => one.failure !== null && !isGood(one));
  return [
    ...(isSupervised
      ? []
      : ["its supervisor is gone: mcp-stack down ends what is left, mcp-stack up starts it anew", ""]),
    ...alignTable(
      [head, ...rows],
      head.map(() => "left"),
    ),
    ...failures.flatMap(({ name, failure }) => ["", `${name}: ${failure}`]),
    ...(state.schedules.length === 0
      ? []
      : [
          "",
          ...state.schedules.map(
            ({ name, cron }) => `${name} (${cron}) does not run by itself here: mcp-stack up --run ${name}`,
          ),
        ]),
    "",
  ].join("\n");
}

function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** `mcp-stack up`: runs a stack on this machine, or brings a running one to what its file says now. */
import { verdictText } from "../../infra/sizing/report/index.ts";
import {
  applyTo,
  type Launch,
  prepare,
  runDetached,
  runHere,
  runSchedule,
  type State,
  statusOf,
} from "../../infra/targets/local/index.ts";
import { type Command, type OptionValues, readOptions, UsageError } from "../command.ts";
import { composeLocal, LOCAL_HOST, type LocalStack, launchOf, readStackFile, targetOf } from "../local-stack.ts";
import { say } from "../print.ts";
import { runPulumiUp } from "../pulumi.ts";

const options = {
  stack: { type: "string", short: "s", value: "<stack>", help: "Stack whose Pulumi.<stack>.yaml says what runs" },
  target: {
    type: "string",
    value: "<target>",
    help: "local, docker or kubernetes instead of what the stack's file says",
  },
  detach: { type: "boolean", help: "Return when it is ready; mcp-stack down ends it" },
  "data-dir": { type: "string", value: "<directory>", help: "Where data, files and logs of the stack are kept" },
  run: { type: "string", value: "<schedule>", help: "Run once, now, what the running stack has a schedule for" },
} as const;
type Values = OptionValues<typeof options>;

export const command: Command = {
  summary: "run a stack, or change a running one to what its file says",
  options,
  async run(argv) {
    const values = readOptions(argv, options);
    const file = await readStackFile(values.stack);
    const target = targetOf(file, values.target);
    if (target !== "local") {
      // Pulumi's program reads the file, and knows nothing of this command line.
      const own = targetOf(file, undefined);
      if (target !== own)
        throw new UsageError(
          `--target ${target} is not what the file of stack ${file.name} says: deployment.target is ${own}`,
        );
      return await runPulumiUp(file.name, target);
    }
    const stack = await composeLocal(file, values["data-dir"]);
    if (values.run !== undefined) return await runOnce(stack.data, values.run);
    return await start(stack, values);
  },
};

async function start(stack: LocalStack, values: Values): Promise<number> {
  say(verdictText({ ...stack, title: `stack ${stack.name}` }));
  for (const note of stack.notes) say(`note: ${note}`);
  const running = await statusOf(stack.data);
  if (running?.isSupervised === true) {
    const { launch } = await launchOf(stack);
    return ready(stack, await applyTo(launch, say));
  }
  const launch = await prepared(stack);
  if (values.detach === true) return ready(stack, await runDetached(launch, say));
  return await foreground(stack, launch);
}

async function prepared(stack: LocalStack): Promise<Launch> {
  const ended = await prepare(stack.data, stack.topology, LOCAL_HOST);
  if (ended.length > 0) say(`ended what was left of an earlier run: ${ended.join(", ")}`);
  const { launch, notes } = await launchOf(stack);
  for (const note of notes) say(`note: ${note}`);
  return launch;
}

/** Until Ctrl-C, a termination, or `mcp-stack down` elsewhere. */
async function foreground(stack: LocalStack, launch: Launch): Promise<number> {
  const width = Math.max(...launch.topology.workloads.map(({ name }) => name.length));
  const asked = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => asked.resolve());
  const running = await runHere(
    launch,
    say,
    (workload, line) => process.stdout.write(`${workload.padEnd(width)} | ${line}\n`),
    asked.promise,
  );
  ready(stack, running.state());
  await Promise.race([running.ended, asked.promise]);
  say("ending");
  await running.stop();
  return 0;
}

function ready(stack: LocalStack, { entry }: State): number {
  const names = stack.topology.workloads.filter(({ tier }) => tier === "gateway").map(({ name }) => name);
  const key = `${stack.data}/${names[0] ?? "gateway"}/secrets/jwt-secret-key`;
  say(`ready at http://${LOCAL_HOST}:${entry.port}/mcp; data in ${stack.data}`);
  say(`a token: JWT_SECRET_KEY_FILE=${key} mcp-stack token`);
  const schedules = stack.topology.workloads.filter(({ shape }) => shape.kind === "schedule").map(({ name }) => name);
  if (schedules.length > 0) say(`not run by themselves here: ${schedules.join(", ")} (mcp-stack up --run <name>)`);
  return 0;
}

async function runOnce(data: string, schedule: string): Promise<number> {
  await runSchedule(data, schedule, say);
  return 0;
}

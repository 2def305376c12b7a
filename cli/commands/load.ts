/** `mcp-stack load`: a bounded load test of a running gateway, or of one that it starts for the test. */
import { access, constants, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { type Command, readOptions, UsageError } from "../command.ts";
import { calibrationOf, caveatOf } from "../load/calibrate.ts";
import { systemClock } from "../load/clock.ts";
import { LoadFailure } from "../load/failure.ts";
import { isLoopback } from "../load/hosts.ts";
import { SocketLink } from "../load/link.ts";
import { type Given, options, readGiven, type Values } from "../load/options.ts";
import { type OwnGateway, startOwnGateway } from "../load/own-gateway.ts";
import { metricsProbe, processProbe } from "../load/probe.ts";
import { planSteps } from "../load/profiles.ts";
import { progressBar } from "../load/progress.ts";
import type { LoadReport } from "../load/report.ts";
import { runLoad } from "../load/run.ts";
import { warmUpSeconds } from "../load/steps.ts";
import { reportText } from "../load/text.ts";
import { readToken } from "../load/token.ts";

/** What a shell expects of a program that Ctrl-C ended: 128 and the number of SIGINT. */
const INTERRUPTED = 130;

export const command: Command = {
  summary: "load a gateway, report what it does, calibrate the plan",
  options,
  async run(argv) {
    const values = readOptions(argv, options);
    const given = readGiven(values);
    const interrupt = interruption();
    try {
      return await carryOut(values, given, interrupt.signal);
    } catch (error) {
      if (!(error instanceof LoadFailure)) throw error;
      process.stderr.write(`mcp-stack: ${error.message}\n`);
      return interrupt.signal.aborted ? INTERRUPTED : 1;
    } finally {
      interrupt.forget();
    }
  },
};

async function carryOut(values: Values, given: Given, signal: AbortSignal): Promise<number> {
  if (values.calibration !== undefined && !isLoopback(given.url.hostname))
    throw new LoadFailure("--calibration needs a gateway on this machine: the machine is part of what is measured");
  if (values.calibration !== undefined) await expectWritable(values.calibration);
  const environment = process.env.MCP_STACK_TOKEN;
  const token = await readToken({ token: values.token, file: values["token-file"], environment });
  const own = values.serve === true ? await startOwn(signal) : undefined;
  const report = await measured(given, token, own, signal).finally(() => own?.stop());
  process.stdout.write(values.json === true ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
  if (values.calibration !== undefined) {
    await writeFile(values.calibration, `${JSON.stringify(calibrationOf(report), null, 2)}\n`);
    const caveat = caveatOf(report);
    process.stderr.write(`${values.calibration} was written${caveat === undefined ? "." : `: ${caveat}`}\n`);
  }
  if (report.outcome === "interrupted") return INTERRUPTED;
  return report.outcome === "completed" && report.total.good > 0 ? 0 : 1;
}

/** Better told before the load than after it. */
async function expectWritable(file: string): Promise<void> {
  try {
    await access(dirname(file), constants.W_OK);
  } catch (error) {
    throw new UsageError(`--calibration cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function startOwn(signal: AbortSignal): Promise<OwnGateway> {
  process.stderr.write("Starting a gateway, twice: the first start creates its database.\n");
  return startOwnGateway(process.env, signal);
}

async function measured(
  given: Given,
  token: string | undefined,
  own: OwnGateway | undefined,
  signal: AbortSignal,
): Promise<LoadReport> {
  const url = own === undefined ? given.url : new URL(own.mcpUrl);
  const pids = own === undefined ? given.pids : [own.pid];
  const steps = planSteps(given);
  const seconds = steps.reduce((sum, { load }) => sum + load.seconds, warmUpSeconds(steps));
  const bar = progressBar(process.stderr, seconds);
  try {
    return await runLoad(
      { ...given, endpoint: { url, token: own?.token ?? token } },
      {
        clock: systemClock,
        wallClock: () => new Date(),
        open: () => new SocketLink({ url, timeoutMs: given.timeoutMs }),
        probe: (client) => (pids.length > 0 ? processProbe(pids) : metricsProbe(client)),
        ownCpuSeconds,
        machine: machine(),
        signal,
        progress: bar.show,
        ...(own === undefined ? {} : { coldStartS: own.coldStartS }),
      },
    );
  } finally {
    bar.clear();
  }
}

function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000;
}

function machine(): LoadReport["machine"] {
  const processors = cpus();
  return {
    cpu: (processors[0]?.model.trim() ?? "unknown").slice(0, 128),
    cores: processors.length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    runtime: process.version,
  };
}

/** The first Ctrl-C ends the load and leaves time for the report; the second one does what it always does. */
function interruption(): { readonly signal: AbortSignal; forget(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  process.once("SIGINT", abort).once("SIGTERM", abort);
  return {
    signal: controller.signal,
    forget: () => void process.removeListener("SIGINT", abort).removeListener("SIGTERM", abort),
  };
}

/** How a supervised gateway goes on and ends: SIGHUP renews its workers, the first other signal drains, the second cuts. Part of the composition root. */
import { closeSync, openSync } from "node:fs";
import { fault } from "../contract/errors.ts";
import type { Crew } from "./process/index.ts";
import { nextSignal, SAME_SIGNAL_MS } from "./stop.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";

type CrewEnd = {
  readonly crew: Crew;
  readonly reload: (reason: string) => void;
  readonly log: Log;
  readonly teardown: Teardown;
};

/** Until a signal to stop; the answer is the exit code. Throws MCPS_WORKERS once the crew has given up. Everything is taken down by then. */
export async function untilEnded({ crew, reload, log, teardown }: CrewEnd): Promise<number> {
  const stop = await Promise.race([stopSignal(reload), crew.failed]);
  const cut = nextSignal(SAME_SIGNAL_MS).then(() => {
    log.warn("told to stop again: requests are cut");
    crew.cut();
    void nextSignal(SAME_SIGNAL_MS).then(() => {
      crew.kill();
      process.exit(1);
    });
  });
  void cut;
  if (typeof stop === "string") log.info("shutting down", { signal: stop });
  else log.error("the workers cannot be kept running", { reason: stop.reason });
  await crew.leave("drain");
  await teardown.run();
  if (typeof stop === "string") return 0;
  throw fault("MCPS_WORKERS", { reason: stop.code === undefined ? stop.reason : `${stop.code}: ${stop.reason}` });
}

/** SIGHUP asks for new workers, unless it tells that the terminal which started us is gone: then it ends us, like the others. */
function stopSignal(reload: (reason: string) => void): Promise<NodeJS.Signals> {
  const hadTerminal = hasTerminal();
  return new Promise((resolve) => {
    const hangup = () => {
      if (hadTerminal && !hasTerminal()) stop("SIGHUP");
      else reload("SIGHUP");
    };
    const stop = (signal: NodeJS.Signals) => {
      process.off("SIGHUP", hangup);
      resolve(signal);
    };
    process.on("SIGHUP", hangup);
    void nextSignal(0, ["SIGINT", "SIGTERM"]).then(stop);
  });
}

/** Whether this process has a controlling terminal (tty(4)). */
function hasTerminal(): boolean {
  try {
    closeSync(openSync("/dev/tty", "r"));
    return true;
  } catch {
    return false;
  }
}

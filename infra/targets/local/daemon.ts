/** The supervisor in the background: an entry file, started by `runDetached`, ended by a signal or through its socket. */
import { type DaemonMessage, readLaunch } from "./launch.ts";
import { runHere } from "./stack.ts";

process.once("message", (raw) => void serve(raw));

async function serve(raw: unknown): Promise<void> {
  const asked = Promise.withResolvers<void>();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => asked.resolve());
  try {
    const running = await runHere(readLaunch(raw), say, undefined, asked.promise);
    tell({ type: "ready" });
    await running.ended;
    say("ended");
  } catch (error) {
    tell({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
    if (process.connected) process.disconnect?.();
  }
}

/** Into supervisor.log, and to whoever waits for the start. */
function say(sentence: string): void {
  console.log(`${new Date().toISOString()} ${sentence}`);
  tell({ type: "say", sentence });
}

function tell(message: DaemonMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

/** The supervisor in the background: an entry file, started by `runDetached`, ended by a signal or through its socket. */
import { type DaemonMessage, readLaunch } from "./launch.ts";
import { type Running, runHere } from "./stack.ts";

process.once("message", (raw) => void serve(raw));

async function serve(raw: unknown): Promise<void> {
  let running: Running | undefined;
  let isEnding = false;
  const end = () => {
    if (isEnding) return;
    isEnding = true;
    void running?.stop();
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, end);
  try {
    running = await runHere(readLaunch(raw), process.getuid?.() ?? 0, say, undefined);
    tell({ type: "ready" });
    if (isEnding) void running.stop();
    await running.ended;
    say("ended");
  } catch (error) {
    tell({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
    if (process.connected) process.disconnect();
  }
}

/** Into supervisor.log, and to whoever waits for the start. */
function say(sentence: string): void {
  console.log(`${new Date().toISOString()} ${sentence}`);
  tell({ type: "say", sentence });
}

function tell(message: DaemonMessage): void {
  if (process.connected && process.send !== undefined) process.send(message, undefined, undefined, () => {});
}

/**
 * The child's side of superviseChild: takes the configuration, says ready, and ends when told to or when the parent is
 * gone. Nothing that is started here may outlive its parent.
 */

import { Fault } from "../../contract/errors.ts";
import type { Log } from "../telemetry/index.ts";
import type { ChildMessage } from "./child.ts";
import { lineLog } from "./log-lines.ts";

/** A started service: `ready` becomes fields of the ready message; `stop` has to end within the supervisor's grace. */
export type Service = { readonly ready: Readonly<Record<string, unknown>>; stop(): Promise<void> };

/** Calls `listener` once when the parent's end of the IPC channel is gone, also after kill -9 of the parent. */
export function onParentGone(listener: () => void): void {
  if (process.send === undefined) return;
  if (!process.connected) queueMicrotask(listener);
  else process.once("disconnect", listener);
}

/** Sends a message to the supervisor; ignored when it is gone. */
export function sendToParent(message: ChildMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

/** Runs one service for the supervisor: start on its "start" message, stop on "shutdown" or its disappearance. */
export function serveParent(start: (config: unknown, log: Log) => Promise<Service>): void {
  const log = lineLog((line) => void process.stderr.write(line));
  let starting: Promise<Service> | undefined;
  let ending = false;

  async function end(): Promise<void> {
    if (ending) return;
    ending = true;
    try {
      await (await starting)?.stop();
      process.exit(0);
    } catch (error) {
      log.error("process.stop_failed", { reason: String(error) });
      process.exit(1);
    }
  }

  async function begin(config: unknown): Promise<void> {
    starting = start(config, log);
    try {
      const service = await starting;
      sendToParent({ ...service.ready, type: "ready" });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const failed = { type: "failed", reason, ...(error instanceof Fault ? { code: error.code } : {}) };
      // The reason has to be out before the end; without a parent nobody waits for it.
      if (process.connected) process.send?.(failed, undefined, undefined, () => process.exit(1));
      else process.exit(1);
    }
  }

  // After the parent's end its end of stderr is closed too: a log line must not end us before the children have been ended.
  process.stderr.on("error", () => {});
  // A terminal signals its whole group, a service manager all processes of the service: the parent drains, with us, and then
  // tells us. Without a parent there is nobody to wait for.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      if (!process.connected) void end();
    });
  onParentGone(() => void end());
  process.on("message", (message) => {
    if (typeof message !== "object" || message === null || !("type" in message)) return;
    if (message.type === "shutdown") void end();
    else if (message.type === "start" && starting === undefined)
      void begin("config" in message ? message.config : null);
  });
}

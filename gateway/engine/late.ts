/** A server of connections that is made with its first connection: most gateways of the engine that has another one before it never see one. */
import { setTimeout as pause } from "node:timers/promises";
import type { ConnectionServer, DrainReport } from "./engine.ts";

export function lateConnections(make: () => ConnectionServer): ConnectionServer {
  let made: ConnectionServer | undefined;
  let draining: { readonly until: number; readonly idleMs: number | undefined } | undefined;
  let drained: Promise<DrainReport> | undefined;
  let isClosed = false;
  return {
    accept(socket) {
      if (isClosed) {
        socket.destroy();
        return;
      }
      if (made === undefined) {
        made = make();
        // What comes while all is being drained is served as what was there before.
        if (draining !== undefined) {
          drained = made.drain(Math.max(0, draining.until - performance.now()), draining.idleMs);
          // Nobody waits for it any more where the drain is over.
          drained.catch(() => undefined);
        }
      }
      made.accept(socket);
    },
    async drain(deadlineMs, idleMs) {
      if (made !== undefined) return made.drain(deadlineMs, idleMs);
      draining = { until: performance.now() + deadlineMs, idleMs };
      // The first connection may come meanwhile.
      if (idleMs !== undefined) await pause(Math.min(idleMs, deadlineMs), undefined, { ref: false });
      return drained ?? { cut: 0 };
    },
    async close() {
      isClosed = true;
      await made?.close();
    },
  };
}

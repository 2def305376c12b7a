/** A server of connections that is made with its first connection: most gateways of the engine that has another one before it never see one. */
import type { ConnectionServer } from "./engine.ts";

export function lateConnections(make: () => ConnectionServer): ConnectionServer {
  let made: ConnectionServer | undefined;
  let draining: { readonly until: number; readonly idleMs: number | undefined } | undefined;
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
        if (draining !== undefined)
          void made.drain(Math.max(0, draining.until - performance.now()), draining.idleMs).catch(() => undefined);
      }
      made.accept(socket);
    },
    async drain(deadlineMs, idleMs) {
      draining = { until: performance.now() + deadlineMs, idleMs };
      return made === undefined ? { cut: 0 } : made.drain(deadlineMs, idleMs);
    },
    async close() {
      isClosed = true;
      await made?.close();
    },
  };
}

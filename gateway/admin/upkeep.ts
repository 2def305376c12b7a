/** How many records there are, what waits to be written, and upkeep that an operator asks for. */
import type { AdminRoutes, RecordParts } from "./types.ts";

export function upkeepRoutes({ records, buffers, rollUp, cleanUp, flush }: RecordParts): AdminRoutes {
  return {
    "metrics.stats": {
      description: { answer: "MetricsStats" },
      handle: async () => ({ status: 200, body: { ...(await records.sizes()), buffers: buffers() } }),
    },
    "metrics.rollup": {
      description: { answer: "MetricsDone" },
      async handle() {
        await flush();
        return { status: 200, body: { status: "success", addedUpUntil: await rollUp() } };
      },
    },
    "metrics.cleanup": {
      description: { answer: "MetricsDone" },
      handle: async () => ({ status: 200, body: { status: "success", dropped: await cleanUp() } }),
    },
  };
}

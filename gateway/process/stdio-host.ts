/** Entry file of the stdio host process; started by startStdioHost, ends with its parent. */
import * as z from "zod";
import { listenStdioHost } from "../upstreams/stdio-host/index.ts";
import { sendToParent, serveParent } from "./parent.ts";

const configSchema = z.object({
  socketPath: z.string().min(1),
  maxChildren: z.int().min(1),
  idleMs: z.number().min(1),
  maxMessageBytes: z.int().min(1),
  graceMs: z.number().min(1),
  probeTimeoutMs: z.number().min(1),
  baseEnv: z.record(z.string(), z.string()),
});

serveParent(async (input, log) => {
  const config = configSchema.parse(input);
  const { host, stop } = await listenStdioHost({
    ...config,
    log,
    onChildren: (pids) => sendToParent({ type: "children", pids }),
  });
  // The last resort: whatever ends this process, no group is left.
  process.on("exit", () => host.kill());
  return { ready: { socketPath: config.socketPath }, stop };
});

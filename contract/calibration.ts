/** What a load test found out about a gateway on a machine: written by `mcp-stack load`, read by the plan as *measured*. */
import { z } from "zod";

const positive = z.number().positive();

export const calibrationSchema = z.strictObject({
  /** When and what was measured, so that a reader can judge whether it still holds. */
  measuredAt: z.iso.datetime({ offset: true }).describe("when, RFC 3339"),
  version: z.string().min(1).max(64).describe("version of the gateway that was measured"),
  engine: z.enum(["fastify", "bounded"]).describe("server engine that was measured"),
  machine: z
    .strictObject({
      cpu: z.string().max(128).describe("model of the processor"),
      cores: z.int().min(1).max(4096).describe("cores of the machine"),
      memoryMiB: z.int().min(1).describe("memory of the machine, MiB"),
      runtime: z.string().max(64).describe("Node version"),
    })
    .readonly(),
  load: z
    .strictObject({
      profile: z.string().max(32).describe("profile of the load test"),
      era: z.enum(["legacy", "modern", "mixed"]).describe("protocol era of the clients"),
      mix: z.record(z.string(), z.number().min(0).max(1)).describe("share of each method, together 1"),
      requests: z.int().min(1).describe("requests that were answered"),
      errorShare: z.number().min(0).max(1).describe("failed of all requests"),
    })
    .readonly(),
  /** Requests per second that one worker on one core serves at full use: requests ÷ CPU seconds of the worker. */
  rpsPerWorker: positive.max(10_000_000).describe("service rate of one worker, requests per second of CPU"),
  bytesPerRequest: z.int().min(1).optional().describe("memory beyond the heap per request in flight, bytes"),
  bytesPerSession: z.int().min(0).optional().describe("memory per open legacy session, bytes"),
  workerBaseMiB: z.int().min(1).optional().describe("resident memory of an idle worker, MiB"),
  coldStartS: positive.max(3600).optional().describe("start of the process to /ready, seconds"),
});

/** A calibration as it stands in calibration.json and in a stack's sizing inputs. */
export type Calibration = z.infer<typeof calibrationSchema>;

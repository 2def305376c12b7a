/** Makes a plan of a document within time and memory, whatever is in it. */
import { Worker } from "node:worker_threads";
import { DocumentError } from "./document.ts";
import type { Plan, PlanOptions } from "./plan.ts";

/** A document of 20 MB with 1,000 operations takes about 3 s. */
const TIME_LIMIT_MS = 60_000;
const MEMORY_MB = 1024;

type Answer = { readonly plan: Plan } | { readonly problem: string };

/** Rejects with DocumentError. */
export function planWithin(text: string, options: PlanOptions, timeLimitMs = TIME_LIMIT_MS): Promise<Plan> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      workerData: { text, options },
      resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
      // Of the gateway's own, a thread that reads strangers' documents needs nothing.
      env: {},
      execArgv: [],
    });
    const over = (reason: string) => {
      clearTimeout(timer);
      void worker.terminate();
      reject(new DocumentError(reason));
    };
    const timer = setTimeout(() => over(`the document takes longer than ${timeLimitMs} ms to read`), timeLimitMs);
    worker.on("message", (answer: Answer) => {
      clearTimeout(timer);
      if ("plan" in answer) resolve(answer.plan);
      else reject(new DocumentError(answer.problem));
    });
    worker.on("error", (error: Error) => {
      const isMemory = "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
      over(isMemory ? `the document takes more than ${MEMORY_MB} MB to read` : `it cannot be read: ${error.message}`);
    });
    worker.on("exit", () => over("the document was not read to its end"));
  });
}

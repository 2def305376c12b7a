/** Reads a document in a thread of its own, so that a gigantic one holds nobody up and can be ended. */
import { parentPort, workerData } from "node:worker_threads";
import { DocumentError } from "./document.ts";
import { type PlanOptions, planOf } from "./plan.ts";

type Work = { readonly text: string; readonly options: PlanOptions };

function answer({ text, options }: Work): unknown {
  try {
    return { plan: planOf(text, options) };
  } catch (error) {
    if (error instanceof DocumentError) return { problem: error.message };
    if (error instanceof RangeError) return { problem: "the document is nested too deep" };
    return { problem: `the document cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

// What stands in workerData was put there by run.ts.
parentPort?.postMessage(answer(workerData as Work));

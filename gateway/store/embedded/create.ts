/**
 * Entry file of a worker thread that creates an embedded database and ends. Creating takes several hundred MiB more than serving,
 * and a thread gives its WebAssembly memory back when it ends.
 */
import { workerData } from "node:worker_threads";
import { PGlite } from "@electric-sql/pglite";

const engine = await PGlite.create(String(workerData));
await engine.close();

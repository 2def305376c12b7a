import { defineConfig } from "vitest/config";

const results = process.env.VITEST_RESULTS;

const SERVERS = ["test/stack/**/*.test.ts"];
const ENGINES = ["test/stack/docker*.test.ts", "test/stack/kubernetes.test.ts", "test/stack/kubernetes/*.test.ts"];
const order = (groupOrder: number) => ({ sequence: { groupOrder } });

// The suite of `npm run test:stack`: real PostgreSQL, Redis and friends as processes on loopback.
export default defineConfig({
  test: {
    globalSetup: "test/harness/data-directories.ts",
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      // Mostly waiting, and each file with daemons of its own.
      { extends: true, test: { name: "servers", include: SERVERS, exclude: ENGINES, maxWorkers: 2, ...order(0) } },
      // One Docker engine, one cluster.
      { extends: true, test: { name: "engines", include: ENGINES, maxWorkers: 1, ...order(1) } },
    ],
    // VITEST_RESULTS: a directory for the report that continuous integration counts from.
    reporters: results === undefined ? ["default"] : ["default", ["json", { outputFile: `${results}/stack.json` }]],
  },
});

import { defineConfig } from "vitest/config";

const results = process.env.VITEST_RESULTS;

// The suite of `npm run test:stack`: real PostgreSQL, Redis and friends as processes on loopback.
export default defineConfig({
  test: {
    include: ["test/stack/**/*.test.ts"],
    globalSetup: "test/harness/data-directories.ts",
    maxWorkers: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // VITEST_RESULTS: a directory for the report that continuous integration counts from.
    reporters: results === undefined ? ["default"] : ["default", ["json", { outputFile: `${results}/stack.json` }]],
  },
});

import { defineConfig } from "vitest/config";

const results = process.env.VITEST_RESULTS;

// The suite of `npm test`: everything that needs no server beyond what npm installs. Real daemons are in vitest.stack.config.ts.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/stack/**", "node_modules/**"],
    globalSetup: "test/harness/data-directories.ts",
    maxWorkers: 2,
    // Ten thousand cases of a property take half a minute on two idle cores, and several times that on busy ones.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // VITEST_RESULTS: a directory for the report that continuous integration counts from.
    reporters: results === undefined ? ["default"] : ["default", ["json", { outputFile: `${results}/unit.json` }]],
  },
});

import { defineConfig } from "vitest/config";

const results = process.env.VITEST_RESULTS;

/** Nothing that one of these files does is seen by another: functions of their arguments, and processes that each starts for itself. */
const PURE = ["test/contract/**/*.test.ts", "test/infra/**/*.test.ts"];
/** Apart from what runs Pulumi or a supervisor in the process of the test, whose state and patches would stay in it. */
const UNPURE = [
  "test/infra/targets/local/**/*.test.ts",
  "test/infra/targets/kubernetes/deploy.test.ts",
  "test/infra/program.test.ts",
  "test/infra/policies.test.ts",
];
const ELSEWHERE = ["test/stack/**", "node_modules/**"];

// The suite of `npm test`: everything that needs no server beyond what npm installs. Real daemons are in vitest.stack.config.ts.
export default defineConfig({
  test: {
    globalSetup: "test/harness/data-directories.ts",
    maxWorkers: 2,
    // Ten thousand cases of a property take half a minute on two idle cores, and several times that on busy ones.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    projects: [
      { extends: true, test: { name: "rooms", include: ["test/**/*.test.ts"], exclude: [...PURE, ...ELSEWHERE] } },
      // Loading the planner anew for each of a hundred files would cost more than most of them take.
      { extends: true, test: { name: "plans", include: PURE, exclude: [...UNPURE, ...ELSEWHERE], isolate: false } },
      { extends: true, test: { name: "targets", include: UNPURE } },
    ],
    // VITEST_RESULTS: a directory for the report that continuous integration counts from.
    reporters: results === undefined ? ["default"] : ["default", ["json", { outputFile: `${results}/unit.json` }]],
  },
});

/**
 * The scores of the official conformance suite (pinned in package.json) that a proxy reaches which loses nothing, in front of the
 * everything fixture. `failing` are scenarios outside the scored set: the tasks extension has no server in the SDK to stand in front of.
 */
import type { Score, Selection } from "./runner.ts";

const TASKS = [
  "tasks-capability-negotiation",
  "tasks-dispatch-and-envelope",
  "tasks-lifecycle",
  "tasks-mrtr-composition",
  "tasks-mrtr-input",
  "tasks-request-headers",
  "tasks-request-state-removal",
  "tasks-required-task-error",
  "tasks-wire-fields",
];

export type Row = {
  readonly title: string;
  readonly selection: Selection;
  /** Of the fixture itself. */
  readonly expected: Pick<Score, "exitCode" | "passed" | "failed" | "failing">;
};

export const rows: readonly Row[] = [
  {
    title: "active suite of the stable release",
    selection: { suite: "active", release: "stable" },
    expected: { exitCode: 0, passed: 40, failed: 0, failing: [] },
  },
  {
    title: "active suite",
    selection: { suite: "active" },
    expected: { exitCode: 0, passed: 73, failed: 0, failing: [] },
  },
  {
    title: "requirements of 2025-11-25",
    selection: { requirements: "2025-11-25" },
    expected: { exitCode: 0, passed: 84, failed: 0, failing: [] },
  },
  {
    title: "requirements of 2026-07-28",
    selection: { requirements: "2026-07-28" },
    expected: { exitCode: 0, passed: 164, failed: 30, failing: TASKS },
  },
  {
    title: "all scenarios of 2026-07-28",
    selection: { suite: "all", specVersion: "2026-07-28" },
    expected: { exitCode: 0, passed: 152, failed: 0, failing: [] },
  },
];

/** What a row compares, with the problems of scored scenarios so that a failure explains itself. */
export function summary(score: Score, expectedFailing: readonly string[]) {
  const { exitCode, passed, failed, failing } = score;
  const unexpected = failing.filter((name) => !expectedFailing.includes(name));
  const problems = Object.fromEntries(unexpected.map((name) => [name, score.scenarios[name]?.problems]));
  return { exitCode, passed, failed, failing, problems };
}

/** Runs the pinned official conformance suite against a URL and counts its checks. */
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { run, temporaryDirectory } from "../harness/index.ts";
import { startShim } from "./shim.ts";

const MODULES = resolve(import.meta.dirname, "../../node_modules");
/** The prerelease knows both eras; the last stable one knows the legacy era only. */
const CLI = {
  latest: `${MODULES}/@modelcontextprotocol/conformance/dist/index.js`,
  stable: `${MODULES}/conformance-stable/dist/index.js`,
} as const;

export type Selection =
  | { readonly requirements: "2025-11-25" | "2026-07-28" }
  | { readonly suite: "active" | "all" | "pending"; readonly specVersion?: string; readonly release?: keyof typeof CLI }
  | { readonly scenario: string; readonly specVersion?: string };

export type ScenarioScore = {
  readonly passed: number;
  readonly failed: number;
  readonly warned: number;
  /** `check-id: message` of what did not pass. */
  readonly problems: readonly string[];
};

export type Score = {
  readonly exitCode: number | string;
  readonly passed: number;
  readonly failed: number;
  readonly scenarios: Readonly<Record<string, ScenarioScore>>;
  /** Names of scenarios with a failed check, sorted. */
  readonly failing: readonly string[];
  /** What the suite printed, for a person who looks into a failure. */
  readonly output: string;
};

export async function runConformance(
  target: { readonly url: string; readonly token?: string },
  selection: Selection,
): Promise<Score> {
  const directory = await temporaryDirectory();
  const shim = await startShim(target.url, target.token);
  try {
    const release = "suite" in selection ? (selection.release ?? "latest") : "latest";
    const args = [CLI[release], "server", "--url", shim.url, "-o", directory.path, ...flags(selection)];
    const suite = run(process.execPath, args, { env: { PATH: process.env.PATH, NO_COLOR: "1" } });
    const exitCode = await suite.exited;
    return await count(directory.path, exitCode, suite.stdout() + suite.stderr());
  } finally {
    await shim.close();
    await directory.remove();
  }
}

function flags(selection: Selection): string[] {
  if ("requirements" in selection) return ["--requirements", selection.requirements];
  const version = selection.specVersion === undefined ? [] : ["--spec-version", selection.specVersion];
  if ("suite" in selection) return ["--suite", selection.suite, ...version];
  return ["--scenario", selection.scenario, ...version];
}

/** Adds up the result files, `server-<scenario>-<time>/checks.json`, one per scenario. */
async function count(directory: string, exitCode: number | string, output: string): Promise<Score> {
  const scenarios: Record<string, ScenarioScore> = {};
  for (const entry of (await readdir(directory)).sort()) {
    const name = /^server-(.+)-\d{4}-\d\d-\d\dT/.exec(entry)?.[1];
    if (name === undefined) continue;
    scenarios[name] = score(parseChecks(await readFile(join(directory, entry, "checks.json"), "utf8")));
  }
  const all = Object.values(scenarios);
  return {
    exitCode,
    passed: all.reduce((sum, { passed }) => sum + passed, 0),
    failed: all.reduce((sum, { failed }) => sum + failed, 0),
    scenarios,
    failing: Object.entries(scenarios)
      .filter(([, { failed }]) => failed > 0)
      .map(([name]) => name)
      .sort(),
    output,
  };
}

type Check = { readonly id: string; readonly status: string; readonly errorMessage: string };

function parseChecks(text: string): Check[] {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) throw new Error(`not a list of checks: ${text.slice(0, 200)}`);
  return value.map((check: Record<string, unknown>) => ({
    id: String(check.id),
    status: String(check.status),
    errorMessage: String(check.errorMessage ?? ""),
  }));
}

function score(checks: readonly Check[]): ScenarioScore {
  const of = (status: string) => checks.filter((check) => check.status === status);
  return {
    passed: of("SUCCESS").length,
    failed: of("FAILURE").length,
    warned: of("WARNING").length,
    problems: [...of("FAILURE"), ...of("WARNING")].map(({ id, errorMessage }) => `${id}: ${errorMessage}`),
  };
}

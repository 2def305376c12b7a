/** The workflow files, held to rules: least permissions, nothing of a pull request in a shell, pinned actions, an end. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { temporaryDirectory } from "../harness/index.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const FOLDER = join(ROOT, ".github/workflows");

const texts = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const stepSchema = z.strictObject({
  name: z.string().optional(),
  id: z.string().optional(),
  if: z.string().optional(),
  uses: z.string().optional(),
  with: texts.optional(),
  run: z.string().optional(),
  env: texts.optional(),
});
const jobSchema = z.strictObject({
  needs: z.string().optional(),
  if: z.string().optional(),
  "runs-on": z.string(),
  container: z.string().optional(),
  "timeout-minutes": z.int().min(1).max(60),
  permissions: z.record(z.string(), z.string()).optional(),
  outputs: texts.optional(),
  strategy: z.unknown().optional(),
  env: texts.optional(),
  steps: z.array(stepSchema).min(1),
});
const workflowSchema = z.strictObject({
  name: z.string(),
  on: z.record(z.string(), z.unknown()),
  permissions: z.record(z.string(), z.string()),
  concurrency: z.strictObject({ group: z.string(), "cancel-in-progress": z.union([z.boolean(), z.string()]) }),
  jobs: z.record(z.string(), jobSchema),
});

const workflows = globSync("*.yml", { cwd: FOLDER })
  .toSorted()
  .map((name) => workflowSchema.parse(parse(readFileSync(join(FOLDER, name), "utf8"))));
const jobs = workflows.flatMap((workflow) =>
  Object.entries(workflow.jobs).map(([id, job]) => ({ name: `${workflow.name}: ${id}`, job })),
);
const steps = jobs.flatMap(({ name, job }) =>
  job.steps.map((step, index) => ({ name: `${name}, step ${index + 1}`, step })),
);

describe("the workflows", () => {
  it("install the servers that .ci/run installs: a missing one fails both or neither", () => {
    const words = (text: string) => text.trim().split(/\s+/).toSorted();
    const run = readFileSync(join(ROOT, ".ci/run"), "utf8");
    const needed = [...run.matchAll(/missing\+=\(([^)]+)\)/g)].map(([, name = ""]) => name).join(" ");
    const script = jobs.find(({ name }) => name === "test: servers")?.job.steps.map(({ run: text }) => text ?? "");
    const installed = /--no-install-recommends (.+)/.exec(script?.join("\n") ?? "")?.[1] ?? "";
    expect(words(installed)).toEqual(words(needed));
  });

  it("are these, with these jobs", () => {
    expect(jobs.map(({ name }) => name)).toEqual([
      "preview: plan",
      "preview: comment",
      "preview: pulumi",
      "test: unit",
      "test: servers",
    ]);
  });

  it("run for a push and a pull request only, never with the rights of the base branch for a fork's code", () => {
    expect(workflows.map(({ on }) => Object.keys(on))).toEqual([["pull_request"], ["push", "pull_request"]]);
  });

  it("may read, and the one job that may write runs no code of the pull request", () => {
    for (const { permissions } of workflows) expect(permissions).toEqual({ contents: "read" });
    const writers = jobs.filter(({ job }) => job.permissions !== undefined);
    expect(writers.map(({ name, job }) => [name, job.permissions])).toEqual([
      ["preview: comment", { "pull-requests": "write" }],
    ]);
    for (const { job } of writers) expect(job.steps.filter(({ uses }) => uses !== undefined)).toEqual([]);
  });

  it("put no expression into a shell: what a pull request says is data in the environment", () => {
    expect(steps.filter(({ step }) => step.run?.includes("$" + "{{")).map(({ name }) => name)).toEqual([]);
  });

  it("pin actions by commit, with the version beside it, and keep no credentials after a checkout", () => {
    for (const file of globSync("*.yml", { cwd: FOLDER })) {
      const lines = readFileSync(join(FOLDER, file), "utf8").matchAll(/^.*\buses: (.*)$/gm);
      for (const [, used] of lines) expect(used).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
    }
    const checkouts = steps.filter(({ step }) => step.uses?.startsWith("actions/checkout@"));
    expect(checkouts.length).toBeGreaterThan(0);
    for (const { step } of checkouts) expect(step.with?.["persist-credentials"]).toBe(false);
  });

  it("give secrets to the steps that need them, and to no other", () => {
    const isSecret = (value: unknown) => String(value).includes("secrets.");
    expect(jobs.filter(({ job }) => Object.values(job.env ?? {}).some(isSecret))).toEqual([]);
    const knowing = steps.filter(({ step }) => Object.values({ ...step.env, ...step.with }).some(isSecret));
    expect(knowing.map(({ step }) => [step.name, Object.keys(step.env ?? {})])).toEqual([
      ["are there credentials", ["PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL"]],
      ["preview", ["PULUMI_ACCESS_TOKEN", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "KUBECONFIG_CONTENT"]],
    ]);
    const gated = jobs.find(({ name }) => name === "preview: pulumi")?.job.steps.slice(1) ?? [];
    expect(gated.map((step) => step.if)).toEqual(gated.map(() => "steps.credentials.outputs.found == 'true'"));
  });

  it("call scripts of package.json and files that exist, in shell that can be read", () => {
    const { scripts } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")));
    for (const { step } of steps) {
      if (step.run === undefined) continue;
      const { status, stderr } = spawnSync("bash", ["-n"], { input: step.run, encoding: "utf8" });
      expect([status, stderr]).toEqual([0, ""]);
      for (const [, script] of step.run.matchAll(/\bnpm (?:run )?(?!ci\b|run\b)([\w:]+)/g))
        expect(Object.keys(scripts)).toContain(script);
      for (const [path] of step.run.matchAll(/\bscripts\/[\w.-]+/g)) expect(existsSync(join(ROOT, path))).toBe(true);
    }
  });
});

/** The step's shell with stand-ins for programs, each a line of shell; answers what they were called with. */
async function runStep(
  name: string,
  env: Readonly<Record<string, string>>,
  programs: Readonly<Record<string, string>>,
) {
  const run = steps.find(({ step }) => step.name === name)?.step.run ?? "exit 99";
  const { path, remove } = await temporaryDirectory();
  for (const [program, body] of Object.entries(programs)) {
    writeFileSync(
      join(path, program),
      `#!/usr/bin/env bash\nprintf '%s|' ${program} "$@" >> "${path}/calls"\necho >> "${path}/calls"\n${body}\n`,
    );
    chmodSync(join(path, program), 0o755);
  }
  const summary = join(path, "summary");
  const { status, stdout, stderr } = spawnSync("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", run], {
    cwd: path,
    // A shell whose input is a socket takes itself for a remote one and reads its user's files.
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    env: {
      PATH: `${path}:${process.env.PATH ?? ""}`,
      RUNNER_TEMP: path,
      GITHUB_STEP_SUMMARY: summary,
      GITHUB_OUTPUT: join(path, "output"),
      ...env,
    },
  });
  const read = (file: string) => (existsSync(join(path, file)) ? readFileSync(join(path, file), "utf8") : "");
  const outcome = {
    status,
    stdout,
    stderr,
    calls: read("calls").replaceAll(path, "TEMP").split("\n").slice(0, -1),
    summary: read("summary"),
    output: read("output"),
    comment: read("comment.md"),
    left: existsSync(join(path, "kubeconfig")),
  };
  await remove();
  return outcome;
}

describe("the comment", () => {
  const env = {
    COMMENT: "<!-- mcp-stack plan -->\n`$(id)`",
    COMMENTS: "repos/a/b/issues/1/comments",
    REPOSITORY: "a/b",
  };
  const step = "write the comment, over the one before";

  it("is written where there is none", async () => {
    const { status, calls, comment } = await runStep(step, env, { gh: "true" });
    expect([status, comment]).toEqual([0, `${env.COMMENT}\n`]);
    expect(calls.slice(1)).toEqual([
      "gh|api|--silent|--method|POST|repos/a/b/issues/1/comments|-F|body=@TEMP/comment.md|",
    ]);
  });

  it("is written over the first of ours", async () => {
    const { status, calls } = await runStep(step, env, { gh: '[ "$2" = --paginate ] && printf "11\\n22\\n" || true' });
    expect(status).toBe(0);
    expect(calls.slice(1)).toEqual([
      "gh|api|--silent|--method|PATCH|repos/a/b/issues/comments/11|-F|body=@TEMP/comment.md|",
    ]);
  });
});

describe("the preview", () => {
  const none = {
    PULUMI_ACCESS_TOKEN: "",
    PULUMI_BACKEND_URL: "",
    PULUMI_CONFIG_PASSPHRASE: "",
    KUBECONFIG_CONTENT: "",
  };

  it("is left out with a sentence where there are no credentials", async () => {
    const { status, output, summary } = await runStep("are there credentials", { ...none, STACK: "prod" }, {});
    expect([status, output]).toEqual([0, "found=false\n"]);
    expect(summary).toBe(
      "Stack prod is not previewed: there is no secret PULUMI_ACCESS_TOKEN or PULUMI_BACKEND_URL here.\n",
    );
    const found = await runStep("are there credentials", { ...none, PULUMI_BACKEND_URL: "s3://a", STACK: "prod" }, {});
    expect([found.status, found.output, found.summary]).toEqual([0, "found=true\n", ""]);
  });

  it("shows what Pulumi says and fails as it does, and leaves no kubeconfig", async () => {
    const pulumi = 'env | grep -E "^(PULUMI_|KUBECONFIG_)" | sort; stat -c %a "$KUBECONFIG"; cat "$KUBECONFIG"; exit 3';
    const env = { ...none, PULUMI_ACCESS_TOKEN: "t", KUBECONFIG_CONTENT: "k", STACK: "prod" };
    expect(await runStep("preview", env, { pulumi })).toEqual({
      status: 3,
      stdout: "PULUMI_ACCESS_TOKEN=t\n600\nk\n",
      stderr: "",
      calls: ["pulumi|preview|--stack|prod|--diff|--policy-pack|infra/policies|--non-interactive|--color|never|"],
      summary: "## Pulumi, stack prod\n\n    PULUMI_ACCESS_TOKEN=t\n    600\n    k\n",
      output: "",
      comment: "",
      left: false,
    });
  });
});

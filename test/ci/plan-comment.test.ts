/** scripts/plan-comment.sh in a repository of its own: what a pull request is told about its stacks. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { compiled, temporaryDirectory } from "../harness/index.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const MARK = "<!-- mcp-stack plan -->\n";

type Sizing = { readonly load: object; readonly gateway: object } & Readonly<Record<string, unknown>>;

const dev: Sizing = {
  environment: "dev",
  load: { peakRps: 50, meanLatencyMs: 150, concurrentUsers: 20, sseStreams: 10, statefulSessions: 10 },
  gateway: { cpu: 1, memory: "512Mi" },
  database: { postgres: { cpu: 1, memory: "1Gi" } },
};
const busier: Sizing = { ...dev, load: { ...dev.load, peakRps: 60 } };
const tooBusy: Sizing = { ...dev, load: { ...dev.load, peakRps: 90_000 }, gateway: { ...dev.gateway, hpa: false } };

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

type Stacks = Readonly<Record<string, unknown>>;

/** A repository whose base commit has these stacks, and whose working tree has those. */
async function repository(before: Stacks, after: Stacks): Promise<string> {
  const { path, remove } = await temporaryDirectory();
  ends.push(remove);
  const env = { PATH: process.env.PATH, HOME: path, GIT_CONFIG_NOSYSTEM: "1" };
  const who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
  const git = (...args: string[]) => execFileSync("git", [...who, ...args], { cwd: path, env });
  git("init", "-q");
  write(path, before);
  git("add", ".");
  git("commit", "-q", "--allow-empty", "-m", "base");
  for (const name of Object.keys(before)) rmSync(join(path, fileOf(name)));
  write(path, after);
  return path;
}

function write(path: string, stacks: Stacks): void {
  for (const [name, sizing] of Object.entries(stacks))
    writeFileSync(join(path, fileOf(name)), stringify({ config: { "mcp-stack:sizing": sizing } }));
}

function fileOf(stack: string): string {
  return `Pulumi.${stack}.yaml`;
}

/** The exit code, both files, and what was complained about. */
function comment(cwd: string, base = "HEAD", env: Readonly<Record<string, string>> = {}) {
  const [summary, short] = [join(cwd, "summary.md"), join(cwd, "comment.md")];
  writeFileSync(summary, "");
  writeFileSync(short, "");
  const { status, stdout, stderr } = spawnSync(join(ROOT, "scripts/plan-comment.sh"), [base, summary, short], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, ...compiled(), ...env },
    encoding: "utf8",
  });
  return { status, stdout, stderr, summary: readFileSync(summary, "utf8"), comment: readFileSync(short, "utf8") };
}

async function commented(before: Stacks, after: Stacks) {
  return comment(await repository(before, after));
}

describe("plan-comment.sh", () => {
  it("folds a plan away that does not change", async () => {
    const { status, stdout, stderr, summary, comment: text } = await commented({ dev }, { dev });
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
    expect(text).toBe(summary);
    expect(text.slice(0, text.indexOf("### Tightest"))).toMatch(
      /^<!-- mcp-stack plan -->\n## ✅ Accepted: stack dev carries 72 requests\/s with 1 to 2 replicas; all \d+ budgets hold\.\n\nNo number changes from the base branch to stack dev\.\n\n<details><summary>The plan<\/summary>\n\n$/,
    );
    expect(text.match(/No number changes/g)).toHaveLength(1);
    expect(text.match(/<details>/g)?.length).toBe(text.match(/<\/details>/g)?.length);
    expect(text).toMatch(/<\/details>\n\n$/);
  });

  it("shows what changes", async () => {
    const { status, comment: text } = await commented({ dev }, { dev: busier });
    expect(status).toBe(0);
    expect(text).toContain(`${MARK}## ✅ Accepted: stack dev carries 86.4 requests/s with 1 to 2 replicas;`);
    expect(text).toContain("### From the base branch to stack dev\n");
    expect(text).toContain("| requests at the peak | 72 requests/s | 86.4 requests/s |\n");
    expect(text).not.toContain("No number changes");
  });

  it("shows a refused plan, and fails after it", async () => {
    const { status, comment: text } = await commented({ dev }, { dev: tooBusy });
    expect(status).toBe(2);
    expect(text).toMatch(/^<!-- mcp-stack plan -->\n## ❌ Refused: \d+ of \d+ budgets of stack dev do not hold: I/);
    expect(text).toContain("| verdict | accepted | refused |\n");
  });

  it("keeps the repairs of a refused plan in sight where the base branch is refused as well", async () => {
    const { status, comment: text } = await commented({ dev: tooBusy }, { dev: tooBusy });
    expect(status).toBe(2);
    expect(text).not.toContain("<details><summary>The plan</summary>");
    expect(text).toContain("No number changes from the base branch to stack dev.\n");
  });

  it("says which stacks are new and which are gone", async () => {
    const { status, comment: text } = await commented({ old: dev }, { young: tooBusy });
    expect(status).toBe(2);
    expect(text).toMatch(/## ❌ Refused: \d+ of \d+ budgets of stack young do not hold: I/);
    expect(text).toContain("\nNew: the base branch has no Pulumi.young.yaml.\n");
    expect(text).not.toContain("stack old carries");
    expect(text).toMatch(/\n## Stack old is removed\n\nWhat it deployed stays until it is destroyed\.\n\n$/);
  });

  it("quotes what cannot be understood so that it cannot leave its block, and counts it as worse than refused", async () => {
    const wrong = { ...dev, environment: "```\n</details>" };
    const { status, comment: text } = await commented({}, { a: wrong, b: tooBusy, c: dev });
    expect(status).toBe(1);
    expect(text).toContain("## Stack a is not understood\n\n    Not understood: stack a has 1 problem.\n");
    const block = text.slice(text.indexOf("    Not understood"), text.indexOf("## ❌ Refused"));
    expect(block.split("\n").filter((line) => line !== "" && !line.startsWith("    "))).toEqual([]);
    expect(text).toContain("## ✅ Accepted: stack c carries");
  });

  it("shows the plan alone where only the base branch is not understood", async () => {
    const { status, comment: text } = await commented({ dev: { ...dev, environment: "devel" } }, { dev });
    expect(status).toBe(0);
    expect(text).toContain("## ✅ Accepted: stack dev carries");
    expect(text).toContain(
      '\nNot compared with the base branch:\n\n    Not understood: the base branch has 1 problem.\n      environment: "devel"',
    );
  });

  it("leaves the reports to the summary where a comment would be too long", async () => {
    const path = await repository({}, { one: dev, two: dev });
    const { status, summary, comment: text } = comment(path, "HEAD", { PLAN_COMMENT_BYTES: "5000" });
    expect(status).toBe(0);
    const verdicts = summary.split("\n").filter((line) => line.startsWith("## ✅ Accepted: stack "));
    expect(verdicts).toHaveLength(2);
    expect(text).toBe(
      `${MARK}${verdicts.join("\n")}\n\nThe reports are too long for a comment: they stand in the summary of the job.\n`,
    );
  });

  it("says so where there is no stack, and where the base commit was not fetched", async () => {
    const path = await repository({}, {});
    expect(comment(path)).toMatchObject({
      status: 0,
      comment: `${MARK}There is no stack: no file Pulumi.<stack>.yaml.\n`,
    });
    expect(comment(path, "0123456789012345678901234567890123456789")).toEqual({
      status: 1,
      stdout: "",
      stderr:
        "plan-comment: there is no commit 0123456789012345678901234567890123456789 here; is the history fetched (fetch-depth: 0)?\n",
      summary: "",
      comment: "",
    });
  });
});

describe("pulumi-stacks.ts", () => {
  it("names the stacks that are not processes of one machine", async () => {
    const path = await repository({}, {});
    const deployments = { prod: "kubernetes", dev: "docker", here: "local" };
    for (const [name, target] of Object.entries(deployments))
      writeFileSync(join(path, fileOf(name)), stringify({ config: { "mcp-stack:deployment": { target } } }));
    write(path, { sized: dev });
    const script = join(ROOT, "scripts/pulumi-stacks.ts");
    expect(execFileSync(process.execPath, [script], { cwd: path, encoding: "utf8" })).toBe('["dev","prod"]\n');
  });
});

/** `mcp-stack plan` between two plans: --what-if, --diff, --write. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { applyWhatIf } from "../../cli/what-if.ts";
import { planDocumentSchema } from "../../contract/plan.ts";
import { dev, prod, refused, subjectOf } from "../infra/sizing/report/stacks.ts";
import { folder, run } from "./plan-runs.ts";

describe("--what-if", () => {
  const cwd = folder({ dev });

  it("takes several at once and several times, and answers with the verdict after", async () => {
    const { status, stdout } = await run(cwd, [
      "-s",
      "dev",
      "--what-if",
      "load.peakRps=100",
      "gateway.memory=1Gi",
      "--what-if",
      "pgbouncer.maxClientConn=5",
    ]);
    expect(status).toBe(2);
    expect(stdout).toMatch(
      /^Refused: 1 of \d+ budgets of stack dev with load\.peakRps=100, gateway\.memory=1Gi, pgbouncer\.maxClientConn=5 does not hold: I6\./,
    );
    expect(stdout).toMatch(/^ {2}verdict +accepted +→ +refused$/m);
    expect(stdout).toMatch(/^ {2}requests at the peak +72 requests\/s +→ +144 requests\/s$/m);
    expect((await run(cwd, ["-s", "dev", "--what-if", "load.peakRps=60", "--json"])).status).toBe(0);
  });

  it("says what is wrong with a value as for a file", async () => {
    const { status, stderr } = await run(cwd, ["-s", "dev", "--what-if", "gateway.memory=512"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^Not understood: stack dev with gateway\.memory=512 has 1 problem\.\n {2}gateway\.memory: 512 has no unit/,
    );
  });

  it.each([
    ["gateway.cpu=2", { gateway: { cpu: 1 } }, { gateway: { cpu: 2 } }],
    ["database.pgbouncer.version=1.20", {}, { database: { pgbouncer: { version: "1.20" } } }],
    ["gateway.hpa=false", {}, { gateway: { hpa: false } }],
    ["given.redis.policy=allkeys-lru", {}, { given: { "redis.policy": "allkeys-lru" } }],
    [
      "redis.maxclients=5",
      { given: { redis: { maxclients: 9, nofile: 7 } } },
      { given: { redis: { nofile: 7 }, "redis.maxclients": 5 } },
    ],
    [
      "gateway.cpu=2",
      { gateway: { cpu: 1 }, given: { "gateway.cpu": 1 } },
      { gateway: { cpu: 1 }, given: { "gateway.cpu": 2 } },
    ],
    [
      "input.gateway.cpu=2",
      { given: { gateway: { cpu: 1 } } },
      { gateway: { cpu: 2 }, given: { gateway: { cpu: 1 } } },
    ],
  ])("%s", (setting, raw, changed) => expect(applyWhatIf(raw, [setting])).toEqual(changed));

  it("proposes repairs that repair when they are given back", async () => {
    const bad = { ...dev, given: { "pgbouncer.maxClientConn": 4 } };
    const { stdout } = await run(folder({ bad }), ["-s", "bad"]);
    const proposals = [...stdout.matchAll(/--what-if (\S+)$/gm)].map(([, setting = ""]) => setting);
    expect(proposals.length).toBeGreaterThan(1);
    expect(proposals.map((setting) => subjectOf("x", Object(applyWhatIf(bad, [setting]))).document.accepted)).toEqual(
      proposals.map(() => true),
    );
  });
});

describe("the written plan", () => {
  it("is kept beside the stack, whole and always the same", async () => {
    const cwd = folder({ dev });
    const { status, stderr } = await run(cwd, ["-s", "dev", "--write"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: `${join(cwd, "plans/dev.json")} was written.\n` });
    const text = readFileSync(join(cwd, "plans/dev.json"), "utf8");
    expect(JSON.parse(text).input).toEqual(dev);
    expect((await run(cwd, ["-s", "dev", "--write"])).stdout).toMatch(
      /\nNo number changes from plans\/dev\.json to stack dev\.\n$/,
    );
    expect(readFileSync(join(cwd, "plans/dev.json"), "utf8")).toBe(text);
    expect(readdirSync(join(cwd, "plans"))).toEqual(["dev.json"]);
  });

  it("is not made of a refused plan", async () => {
    const cwd = folder({ bad: refused });
    const { status, stderr } = await run(cwd, ["-s", "bad", "--write"]);
    expect({ status, stderr }).toEqual({ status: 2, stderr: "mcp-stack: a refused plan is not written\n" });
    expect(existsSync(join(cwd, "plans"))).toBe(false);
    writeFileSync(join(cwd, "plans"), "in the way");
    writeFileSync(join(cwd, "Pulumi.dev.yaml"), stringify({ config: { "mcp-stack:sizing": dev } }));
    const blocked = await run(cwd, ["-s", "dev", "--write"]);
    expect(blocked.status).toBe(1);
    expect(blocked.stderr).toMatch(/^mcp-stack: .*plans\/dev\.json cannot be written: EEXIST/);
  });

  it("shows what changes since, and refuses what breaks while both generations run", async () => {
    const grown = { ...prod, load: { ...Object(prod.load), peakRps: 6000 } };
    const cwd = folder({ prod: grown });
    await run(cwd, ["-s", "prod", "--write"]);
    writeFileSync(join(cwd, "Pulumi.prod.yaml"), stringify({ config: { "mcp-stack:sizing": prod } }));
    const { status, stdout } = await run(cwd, ["-s", "prod"]);
    expect(status).toBe(2);
    expect(stdout).toMatch(/^Refused: 2 of \d+ budgets of stack prod do not hold: I6, I8\.\n/);
    expect(stdout).toContain(
      "I6 does not hold: worker pools of both generations during the rollout ≤ PgBouncer clients",
    );
    expect(stdout).toContain("--what-if given.pgbouncer.maxClientConn=272");
    expect(stdout).toMatch(/^From plans\/prod\.json to stack prod$/m);
    const document = planDocumentSchema.parse(JSON.parse((await run(cwd, ["-s", "prod", "--json"])).stdout));
    const own = subjectOf("x", prod).document.budgets;
    expect([document.accepted, document.budgets.slice(0, own.length)]).toEqual([false, own]);
    expect(document.budgets.slice(own.length).map(({ id, holds }) => [id, holds])).toEqual([
      ["I6", false],
      ["I8", false],
      ["I10", true],
      ["I44", true],
      ["I44", true],
    ]);
    expect((await run(cwd, ["-s", "prod", "--write"])).status).toBe(2);
  });

  it("can be compared with by name, as can inputs", async () => {
    const cwd = folder({ dev, other: { ...dev, gateway: { cpu: 1, memory: "1Gi" } } });
    await run(cwd, ["-s", "other", "--write"]);
    for (const file of ["plans/other.json", "Pulumi.other.yaml"]) {
      const { status, stdout } = await run(cwd, ["-s", "dev", "--diff", file]);
      expect(status).toBe(0);
      expect(stdout).toContain(`From ${file} to stack dev\n`);
      expect(stdout).toMatch(/^ {2}memory of all tiers at the most +3\.5 GiB +→ +2\.5 GiB$/m);
      expect(stdout).toMatch(/^ {2}gateway\.memoryMiB \(MiB\) +1,024 +→ +512$/m);
    }
    writeFileSync(join(cwd, "old.json"), JSON.stringify({ plan: {}, budgets: [] }));
    expect((await run(cwd, ["-s", "dev", "--diff", "old.json"])).stderr).toMatch(
      /^mcp-stack: old\.json is no plan of this version: plan\.\w+: /,
    );
  });
});

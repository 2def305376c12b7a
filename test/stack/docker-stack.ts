/** A stack on a real Docker engine by the real Pulumi, with state and configuration of its own; and whether both are there. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { STACK_LABEL } from "../../infra/targets/docker/plan/index.ts";
import { temporaryDirectory } from "../harness/index.ts";

const ROOT = join(import.meta.dirname, "../..");
const execute = promisify(execFile);
/** An update under load, with a build of the image. */
const LIMIT_MS = 540_000;

/**
 * The images of the tiers, which an engine without a registry has under names of its own: JSON, `{"images": …, "database": …}`, as
 * `deployment.images` and `sizing.database` say them.
 */
const GIVEN = "DOCKER_TEST_STACK";
const given = z.looseObject({
  images: z.record(z.string(), z.unknown()),
  database: z.record(z.string(), z.unknown()).default({}),
});

/** Why these tests are skipped; undefined where everything is there. */
export function missingForDocker(): string | undefined {
  if (process.env[GIVEN] === undefined) return `${GIVEN} names no images`;
  if (!answers("docker", "info")) return "no Docker engine answers";
  if (!answers("pulumi", "version")) return "not installed: pulumi";
  const plugins = execFileSync("pulumi", ["plugin", "ls", "--json"], { encoding: "utf8" });
  const names = z.array(z.looseObject({ name: z.string() })).parse(JSON.parse(plugins));
  const absent = ["docker", "random"].filter((name) => !names.some((one) => one.name === name));
  return absent.length === 0 ? undefined : `not installed: Pulumi's plugins ${absent.join(", ")}`;
}

function answers(program: string, ...argv: readonly string[]): boolean {
  try {
    execFileSync(program, argv, { stdio: "ignore", timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}

export type DockerStack = {
  readonly name: string;
  /** What `pulumi` says; throws with it where it fails. */
  pulumi(...argv: readonly string[]): Promise<string>;
  /** What the gateway's image is built on. */
  readonly nodeImage: string;
  /** Writes the stack file: parts of `deployment` beside the images, and further images. */
  configure(deployment: Readonly<Record<string, unknown>>, images?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Names or ids of everything on the engine that has the stack's label, of one kind. */
  onEngine(kind: "container" | "volume" | "network"): Promise<readonly string[]>;
  /** Destroys what is left of it, with its state. */
  remove(): Promise<void>;
};

/** A stack with a name of its own; nothing of it is in the project's directory. */
export async function dockerStack(): Promise<DockerStack> {
  const directory = await temporaryDirectory();
  const name = `t${process.pid}`;
  const { images, database } = given.parse(JSON.parse(process.env[GIVEN] ?? "{}"));
  await symlink(join(ROOT, "node_modules"), join(directory.path, "node_modules"));
  const program = { name: "mcp-stack", main: "index.ts", runtime: { name: "nodejs", options: { typescript: false } } };
  await writeFile(join(directory.path, "Pulumi.yaml"), stringify(program));
  await writeFile(join(directory.path, "package.json"), `${JSON.stringify({ type: "module" })}\n`);
  await writeFile(
    join(directory.path, "index.ts"),
    `export { default } from ${JSON.stringify(join(ROOT, "infra/index.ts"))};\n`,
  );
  const before = await builtImages();
  const env = {
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ""}`,
    PULUMI_BACKEND_URL: `file://${directory.path}`,
    PULUMI_CONFIG_PASSPHRASE: "of a test",
    PULUMI_SKIP_UPDATE_CHECK: "true",
  };
  const pulumi: DockerStack["pulumi"] = async (...argv) => {
    try {
      const { stdout } = await execute("pulumi", [...argv, "--stack", name, "--non-interactive", "--color", "never"], {
        cwd: directory.path,
        env,
        timeout: LIMIT_MS,
        maxBuffer: 64 * 1024 * 1024,
      });
      return stdout;
    } catch (error) {
      const said = z.looseObject({ stdout: z.string(), stderr: z.string() }).safeParse(error);
      throw new Error(
        `pulumi ${argv.join(" ")}: ${said.success ? said.data.stdout + said.data.stderr : String(error)}`,
      );
    }
  };
  const onEngine: DockerStack["onEngine"] = async (kind) => {
    const all = kind === "container" ? ["--all"] : [];
    const said = await docker(kind, "ls", ...all, "--quiet", "--filter", `label=${STACK_LABEL}=${name}`);
    return said.split("\n").filter((line) => line !== "");
  };
  return {
    name,
    pulumi,
    onEngine,
    nodeImage: z.string().parse(images.node),
    async configure(deployment, further = {}) {
      const config = {
        "pulumi:disable-default-providers": ["kubernetes", "docker"],
        "mcp-stack:sizing": {
          environment: "dev",
          load: { peakRps: 20, meanLatencyMs: 50, concurrentUsers: 5, sseStreams: 2, statefulSessions: 2 },
          gateway: { engine: "fastify", cpu: 1, memory: "512Mi", hpa: false },
          database: { ...database, postgres: { cpu: 1, memory: "1Gi", ...partOf(database, "postgres") } },
          cluster: { nofileHard: 65_536 },
        },
        "mcp-stack:deployment": { target: "docker", images: { ...images, ...further }, ...deployment },
      };
      const file = join(directory.path, `Pulumi.${name}.yaml`);
      // Pulumi keeps there what its secrets are encrypted with.
      const kept = existsSync(file) ? z.looseObject({}).parse(parse(await readFile(file, "utf8"))) : {};
      await writeFile(file, stringify({ ...kept, config }));
    },
    async remove() {
      await pulumi("destroy", "--yes", "--skip-preview");
      // Pulumi deletes no image; those that were there before are somebody else's.
      const own = (await builtImages()).filter((id) => !before.includes(id));
      if (own.length > 0) await docker("image", "rm", "--force", ...own);
      await directory.remove();
    },
  };
}

async function builtImages(): Promise<readonly string[]> {
  const said = await docker("image", "ls", "--quiet", "--no-trunc", "mcp-stack/gateway");
  return said.split("\n").filter((line) => line !== "");
}

function partOf(value: Readonly<Record<string, unknown>>, key: string): Readonly<Record<string, unknown>> {
  return z.record(z.string(), z.unknown()).default({}).parse(value[key]);
}

/** What the engine's command says. */
export async function docker(...argv: readonly string[]): Promise<string> {
  const { stdout } = await execute("docker", argv, { timeout: 120_000, maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

/** A stack on a real Docker engine by the real Pulumi, with state and configuration of its own; and whether both are there. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { z } from "zod";
import { STACK_LABEL } from "../../infra/targets/docker/plan/index.ts";
import { answers, missingForPulumi, type PulumiStack, pulumiStack } from "./pulumi-stack.ts";

const execute = promisify(execFile);

/**
 * The images of the tiers, which an engine without a registry has under names of its own: JSON, `{"images": …, "database": …}`, as
 * `deployment.images` and `sizing.database` say them.
 */
const GIVEN = "DOCKER_TEST_STACK";
const given = z.looseObject({
  images: z.record(z.string(), z.unknown()),
  database: z.record(z.string(), z.unknown()).default({}),
});

/** Why tests of images are skipped; undefined where an engine answers. */
export function missingEngine(): string | undefined {
  if (process.env[GIVEN] === undefined) return `${GIVEN} names no images`;
  return answers("docker", "info") ? undefined : "no Docker engine answers";
}

/** Why these tests are skipped; undefined where everything is there. */
export function missingForDocker(): string | undefined {
  return missingEngine() ?? missingForPulumi(["docker", "random"]);
}

/** What the gateway's image is built on. */
export function givenNodeImage(): string {
  const { images } = given.parse(JSON.parse(process.env[GIVEN] ?? "{}"));
  return z.string().parse(images.node);
}

export type DockerStack = {
  readonly name: string;
  readonly pulumi: PulumiStack["pulumi"];
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
  const { images, database } = given.parse(JSON.parse(process.env[GIVEN] ?? "{}"));
  const stack = await pulumiStack(`t${process.pid}`);
  const { name, pulumi } = stack;
  const before = await builtImages();
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
    configure: (deployment, further = {}) =>
      stack.configure({
        "pulumi:disable-default-providers": ["kubernetes", "docker"],
        "mcp-stack:sizing": {
          environment: "dev",
          load: { peakRps: 20, meanLatencyMs: 50, concurrentUsers: 5, sseStreams: 2, statefulSessions: 2 },
          gateway: { engine: "fastify", cpu: 1, memory: "512Mi", hpa: false },
          database: { ...database, postgres: { cpu: 1, memory: "1Gi", ...partOf(database, "postgres") } },
          cluster: { nofileHard: 65_536 },
        },
        "mcp-stack:deployment": { target: "docker", images: { ...images, ...further }, ...deployment },
      }),
    async remove() {
      await pulumi("destroy", "--yes", "--skip-preview");
      // Pulumi deletes no image; those that were there before are somebody else's.
      const own = (await builtImages()).filter((id) => !before.includes(id));
      if (own.length > 0) await docker("image", "rm", "--force", ...own);
      await stack.remove();
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
  const { stdout } = await execute("docker", argv, { timeout: 600_000, maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

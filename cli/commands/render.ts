/** `mcp-stack render`: a stack as files, for reviews and for clusters that take their objects from a repository. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Rendering, renderStack } from "../../infra/render.ts";
import type { BuiltStack } from "../../infra/stack.ts";
import { buildArguments, builtTag } from "../../infra/targets/docker/plan/index.ts";
import { TargetError } from "../../infra/targets/kubernetes/manifests/index.ts";
import { type Command, readOptions, UsageError } from "../command.ts";
import { composeLocal, composePlatform, readStackFile, targetOf } from "../local-stack.ts";

const options = {
  stack: { type: "string", short: "s", value: "<stack>", help: "Stack whose Pulumi.<stack>.yaml says what runs" },
  target: {
    type: "string",
    value: "<target>",
    help: "local, docker or kubernetes instead of what the stack's file says",
  },
  out: { type: "string", value: "<directory>", help: "Where the files go; made where it is missing" },
} as const;

/** What a rendering consists of: all that may be replaced. */
const OURS = ["docker.json", "edges.txt", "files", "kubernetes", "processes.json", "secrets.json"];
const REPOSITORY = resolve(import.meta.dirname, "..", "..");

export const command: Command = {
  summary: "write a stack's objects and configuration files",
  options,
  async run(argv) {
    const { stack, out, target: chosen } = readOptions(argv, options);
    if (out === undefined) throw new UsageError("--out is needed: the directory that the files go into");
    const file = await readStackFile(stack);
    const target = targetOf(file, chosen);
    const built = target === "local" ? await composeLocal(file, undefined) : composePlatform(file, target);
    const rendering = rendered(built);
    await write(resolve(out), rendering);
    process.stdout.write(`${rendering.size} files of stack ${file.name} (${target}) in ${out}\n`);
    return 0;
  },
};

/** What a cluster would refuse is told like any other refusal. */
function rendered(built: BuiltStack): Rendering {
  try {
    return renderStack(built, () => builtTag(REPOSITORY, buildArguments(built.deployment)));
  } catch (error) {
    if (error instanceof TargetError) throw new RangeError(error.message);
    throw error;
  }
}

/** An earlier rendering is replaced whole, so that nothing of it stays; a directory with anything else in it is left alone. */
async function write(directory: string, rendering: Rendering): Promise<void> {
  await mkdir(directory, { recursive: true });
  const foreign = (await readdir(directory)).filter((name) => !OURS.includes(name));
  if (foreign.length > 0)
    throw new RangeError(
      `${directory} holds ${foreign.slice(0, 5).join(", ")}; name a directory of its own, or a new one`,
    );
  await Promise.all(OURS.map((name) => rm(join(directory, name), { recursive: true, force: true })));
  for (const [path, text] of rendering) {
    const file = join(directory, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

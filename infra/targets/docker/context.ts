/**
 * What the gateway's image is built from, and its hash: the image's tag. Docker's own tag would be somebody's choice, and a build that
 * changes under an unchanged name reaches no container.
 */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Files and folders that the build sees besides the Dockerfile, from the project's directory; .dockerignore says the same. */
export const CONTEXT: readonly string[] = [
  ".npmrc",
  "cli/command.ts",
  "cli/commands/migrate.ts",
  "cli/commands/serve.ts",
  "cli/commands/settings.ts",
  "cli/commands/token.ts",
  "cli/descriptors.ts",
  "cli/main.ts",
  "cli/mcp-stack.js",
  "cli/version.ts",
  "contract",
  "examples",
  "gateway",
  "infra/sizing",
  "infra/this-machine.ts",
  "infra/topology",
  "package-lock.json",
  "package.json",
];

/** Characters of the tag: 80 bits. */
const TAG_LENGTH = 20;

export type ContextFile = {
  /** From the project's directory, with slashes. */
  readonly path: string;
  /** Of all mode bits the only one that outlives the build, which sets the others itself. */
  readonly isExecutable: boolean;
  readonly content: Uint8Array | string;
};

/** The text of .dockerignore: everything out, then the allowed in again (Docker documentation, build context: the last match decides). */
export function renderDockerignore(allowed: readonly string[] = CONTEXT): string {
  return [
    "# Made from the list in infra/targets/docker/context.ts; a test holds them together.",
    "*",
    ...allowed.map((path) => `!${path}`),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

/**
 * SHA-256, hexadecimal, over paths, executable bits and contents, and over what the build is told besides (`buildArguments`). Order and
 * times of the files do not matter. Paths are each there once.
 */
export function hashContext(files: readonly ContextFile[], buildArguments: Readonly<Record<string, string>>): string {
  const lines = [
    ...files.map(({ path, isExecutable, content }) => ["file", path, isExecutable ? "x" : "-", sha256(content)]),
    ...Object.entries(buildArguments).map(([name, value]) => ["argument", name, value]),
  ];
  // As JSON no path and no value can pass for two.
  const ordered = lines.map((line) => JSON.stringify(line)).sort();
  return sha256(ordered.join("\n"));
}

/** The tag of the image: the first characters of the hash. */
export function contextTag(hash: string): string {
  return hash.slice(0, TAG_LENGTH);
}

/** The tag of the image that a build in `root` makes now. Throws RangeError as readContext does. */
export function builtTag(root: string, buildArguments: Readonly<Record<string, string>>): string {
  return contextTag(hashContext(readContext(root), buildArguments));
}

/** Reads what a build in `root` would see, with its Dockerfile. Throws RangeError for a link or device: a build would copy it, a hash cannot say what it means. */
export function readContext(root: string, allowed: readonly string[] = CONTEXT): readonly ContextFile[] {
  return ["Dockerfile", ...allowed].flatMap((path) => filesUnder(root, path));
}

function filesUnder(root: string, path: string): readonly ContextFile[] {
  const full = join(root, path);
  const found = lstatSync(full);
  if (found.isDirectory()) return readdirSync(full).flatMap((name) => filesUnder(root, `${path}/${name}`));
  if (!found.isFile())
    throw new RangeError(`${full} is neither file nor folder: it cannot go into the gateway's image`);
  return [{ path, isExecutable: (found.mode & 0o100) !== 0, content: readFileSync(full) }];
}

function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

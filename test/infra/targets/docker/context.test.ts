/** The build context of the gateway's image: what is in it, that it suffices to run, and when its hash changes. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { init, parse } from "es-module-lexer";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import {
  CONTEXT,
  type ContextFile,
  contextTag,
  hashContext,
  readContext,
  renderDockerignore,
} from "../../../../infra/targets/docker/context.ts";

await init;
const ROOT = join(import.meta.dirname, "../../../..");
const scratch = mkdtempSync(join(tmpdir(), "mcp-stack-context-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const files = fc.uniqueArray(
  fc.record({
    path: fc.array(fc.stringMatching(/^[\w.-]{1,8}$/), { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/")),
    isExecutable: fc.boolean(),
    content: fc.string({ maxLength: 40 }),
  }),
  { selector: ({ path }) => path, maxLength: 8 },
);
const buildArguments = fc.dictionary(fc.stringMatching(/^[A-Z_]{1,8}$/), fc.string({ maxLength: 20 }), { maxKeys: 3 });

describe("the hash of a context", () => {
  it("is that of these files, whatever their order", () => {
    fc.assert(
      fc.property(
        files.chain((some) => fc.tuple(fc.constant(some), fc.shuffledSubarray(some, { minLength: some.length }))),
        buildArguments,
        ([some, shuffled], given) => {
          expect(hashContext(shuffled, given)).toBe(hashContext(some, given));
        },
      ),
    );
  });

  it("changes with every path, executable bit, content and build argument, and with nothing less", () => {
    const inOrder = (some: readonly ContextFile[]) =>
      [...some].sort((one, other) => (one.path < other.path ? -1 : 1)).map((file) => ({ ...file }));
    const told = (given: Readonly<Record<string, string>>) => Object.entries(given).sort();
    fc.assert(
      fc.property(files, buildArguments, files, buildArguments, (one, oneTold, other, otherTold) => {
        const isSame =
          JSON.stringify([inOrder(one), told(oneTold)]) === JSON.stringify([inOrder(other), told(otherTold)]);
        expect(hashContext(one, oneTold) === hashContext(other, otherTold)).toBe(isSame);
      }),
    );
    const [base, told1] = [[{ path: "a", isExecutable: false, content: "1" }], { NODE_IMAGE: "node:26" }] as const;
    const hash = hashContext(base, told1);
    const others = [
      hashContext([{ ...base[0], path: "b" }], told1),
      hashContext([{ ...base[0], isExecutable: true }], told1),
      hashContext([{ ...base[0], content: "2" }], told1),
      hashContext([], told1),
      hashContext(base, { NODE_IMAGE: "node:27" }),
      hashContext([...base, { path: "c", isExecutable: false, content: "" }], told1),
    ];
    expect(new Set([hash, ...others]).size).toBe(7);
  });

  it("is one for text and for the same bytes", () => {
    const file = { path: "a", isExecutable: false };
    expect(hashContext([{ ...file, content: "ü" }], {})).toBe(
      hashContext([{ ...file, content: new TextEncoder().encode("ü") }], {}),
    );
    expect(contextTag(hashContext([], {}))).toMatch(/^[0-9a-f]{20}$/);
  });
});

describe("a context read from a tree", () => {
  /** A project with everything of the list, and something beside it. */
  function tree(name: string): string {
    const root = join(scratch, name);
    for (const path of ["src/deep", "docs"]) mkdirSync(join(root, path), { recursive: true });
    for (const path of ["Dockerfile", "src/a.ts", "src/deep/b.ts", "one.json", "README.md", "docs/page.md"])
      writeFileSync(join(root, path), `content of ${path}\n`);
    return root;
  }
  const hashOf = (root: string) => hashContext(readContext(root, ["one.json", "src"]), {});

  it("holds the Dockerfile and what the list allows, nothing else", () => {
    expect(readContext(tree("list"), ["one.json", "src"]).map(({ path }) => path)).toEqual([
      "Dockerfile",
      "one.json",
      "src/a.ts",
      "src/deep/b.ts",
    ]);
  });

  it("does not see times, the other mode bits, or files outside the list", () => {
    const [one, other] = [tree("one"), tree("other")];
    utimesSync(join(other, "src/a.ts"), 1, 1);
    chmodSync(join(other, "src/a.ts"), 0o604);
    writeFileSync(join(other, "README.md"), "another text\n");
    writeFileSync(join(other, "docs/new.md"), "a new page\n");
    expect(hashOf(other)).toBe(hashOf(one));
  });

  it.each([
    ["a content", (root: string) => writeFileSync(join(root, "src/deep/b.ts"), "changed\n")],
    ["the Dockerfile", (root: string) => writeFileSync(join(root, "Dockerfile"), "FROM scratch\n")],
    ["an executable bit", (root: string) => chmodSync(join(root, "src/a.ts"), 0o755)],
    ["a new file", (root: string) => writeFileSync(join(root, "src/c.ts"), "")],
    ["a file less", (root: string) => rmSync(join(root, "src/a.ts"))],
  ] as const)("sees %s", (name, change) => {
    const root = tree(name.replaceAll(" ", "-"));
    const before = hashOf(root);
    change(root);
    expect(hashOf(root)).not.toBe(before);
  });

  it("refuses a link by name", () => {
    const root = tree("link");
    symlinkSync("a.ts", join(root, "src/link.ts"));
    expect(() => hashOf(root)).toThrow(
      new RangeError(`${join(root, "src/link.ts")} is neither file nor folder: it cannot go into the gateway's image`),
    );
  });
});

describe("the gateway's context", () => {
  const paths = readContext(ROOT).map(({ path }) => path);
  const inContext = new Set(paths);

  it("is what .dockerignore lets in", () => {
    expect(readFileSync(join(ROOT, ".dockerignore"), "utf8")).toBe(renderDockerignore());
  });

  it("is what the Dockerfile copies", () => {
    const copied = [...readFileSync(join(ROOT, "Dockerfile"), "utf8").matchAll(/^COPY (?!--from)(.+) \S+$/gm)]
      .flatMap(([, sources = ""]) => sources.split(" "))
      .sort();
    const tops = new Set(CONTEXT.map((path) => path.replace(/^(cli|infra)\/.*/, "$1")));
    expect(copied).toEqual([...tops].sort());
  });

  it("has every module that its modules import, and only packages that are installed without those of development", () => {
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const missing = paths
      .filter((path) => /\.[jt]s$/.test(path))
      .flatMap((path) =>
        importsOf(path)
          .filter((to) => !isThere(to))
          .map((to) => `${path} → ${to}`),
      );
    // Commands for whoever plans and deploys: the image has none of them, and its command line says so.
    expect(missing.filter((line) => !line.startsWith("cli/main.ts → cli/commands/"))).toEqual([]);

    function isThere(to: string): boolean {
      if (to.startsWith("node:") || inContext.has(to)) return true;
      const name = /^(?:@[^/]+\/)?[^/]+/.exec(to)?.[0] ?? to;
      return Object.hasOwn(dependencies, name) && !existsSync(join(ROOT, to));
    }
  });

  it("runs by itself, and does not change with the README", () => {
    const copy = join(scratch, "copy");
    for (const path of [...paths, "README.md"]) cpSync(join(ROOT, path), join(copy, path));
    const hash = (root: string) => hashContext(readContext(root), { NODE_IMAGE: "node:26" });
    writeFileSync(join(copy, "README.md"), "touched\n");
    expect(hash(copy)).toBe(hash(ROOT));

    // What was copied is what runs in the image; the packages are the project's own here.
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
    const run = (...argv: readonly string[]) =>
      spawnSync(process.execPath, [join(copy, "cli/mcp-stack.js"), ...argv], { encoding: "utf8" });
    expect([...run("--help").stdout.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name)).toEqual([
      "serve",
      "token",
      "migrate",
      "settings",
    ]);
    expect(run("plan").stderr).toBe(
      "mcp-stack: plan is not in the gateway's image; it runs in a checkout of the project\nmcp-stack --help shows the commands.\n",
    );

    writeFileSync(join(copy, "gateway/main.ts"), "touched\n");
    expect(hash(copy)).not.toBe(hash(ROOT));
  });
});

/** Packages by name, files from the project's directory; imports of types are gone, as they are at run time. */
function importsOf(path: string): readonly string[] {
  const source = readFileSync(join(ROOT, path), "utf8");
  const [found] = parse(path.endsWith(".ts") ? stripTypeScriptTypes(source) : source);
  return found.flatMap(({ n }) => {
    if (n === undefined) return [];
    return [n.startsWith(".") ? normalize(join(dirname(path), n)) : n];
  });
}

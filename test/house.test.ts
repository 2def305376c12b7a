/** The rules of the house: who may import whom, who may touch what. Read from every file by a parser, type-only imports included. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join, normalize } from "node:path";
import { init, parse } from "es-module-lexer";
import { describe, expect, it } from "vitest";
import { metricNames } from "../contract/metrics.ts";
import { settingNames } from "../contract/settings.ts";

await init;
const ROOT = join(import.meta.dirname, "..");
/** From the ground up; a room imports only rooms above it in this list. */
const ROOMS = [
  "mcp",
  "settings",
  "telemetry",
  "store",
  "coordination",
  "cache",
  "upstreams",
  "federation",
  "sessions",
  "admission",
  "auth",
  "transports",
  "registry",
  "accounts",
  "admin",
  "engine",
  "process",
];
const PULUMI = /^@pulumi\//;

type Module = {
  readonly path: string;
  readonly source: string;
  readonly code: string;
  readonly imports: readonly string[];
};

/** Imports as written: packages by name, files relative to the repository. */
function importsOf(path: string, source: string): readonly string[] {
  // Stripping types would drop these; as value imports they stay.
  const kept = source.replace(/^(import|export) type (?=\{|\*|\w+ from )/gm, "$1 ");
  const [found] = parse(path.endsWith(".ts") ? stripTypeScriptTypes(kept) : kept);
  return found.flatMap(({ n }) => {
    if (n === undefined) return [];
    return [n.startsWith(".") ? normalize(join(dirname(path), n)) : n];
  });
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

const modules: readonly Module[] = globSync("{contract,gateway,infra,cli}/**/*.{ts,js}", { cwd: ROOT }).map((path) => {
  const source = readFileSync(join(ROOT, path), "utf8");
  return { path, source, code: withoutComments(source), imports: importsOf(path, source) };
});

/** `gateway/<room>/…` → the room; undefined for files beside the rooms and elsewhere. */
function roomOf(path: string): string | undefined {
  return /^gateway\/([^/]+)\//.exec(path)?.[1];
}

function inTree(tree: string): readonly Module[] {
  return modules.filter(({ path }) => path.startsWith(`${tree}/`));
}

/** Every `file → import` that breaks a rule; the rule holds when the list is empty. */
function offences(among: readonly Module[], breaks: (module: Module, imported: string) => boolean): string[] {
  return among.flatMap((module) =>
    module.imports.filter((imported) => breaks(module, imported)).map((imported) => `${module.path} → ${imported}`),
  );
}

function isDoor(path: string): boolean {
  return /^gateway\/[^/]+\/index\.ts$/.test(path);
}

/** What runs in a process of its own has a door of its own, which only the room that starts processes may use. */
const PROCESS_DOORS = ["gateway/upstreams/stdio-host/index.ts", "gateway/store/embedded/index.ts"];

function isEntryOf(from: string, imported: string): boolean {
  return roomOf(from) === "process" && PROCESS_DOORS.includes(imported);
}

describe("rules of the house", () => {
  it("finds the imports of types, values, re-exports and dynamic imports", () => {
    const source =
      'import type { A } from "./a.ts";\nimport { type B, c } from "../b.ts";\nexport type * from "./d.ts";\nexport { e } from "zod";\nconst f = await import("./f.ts");\nexport type G = { from: "nowhere" };\n// import "x";\n';
    expect(importsOf("gateway/mcp/x.ts", source)).toEqual([
      "gateway/mcp/a.ts",
      "gateway/b.ts",
      "gateway/mcp/d.ts",
      "zod",
      "gateway/mcp/f.ts",
    ]);
  });

  it("reads every tree and knows every room", () => {
    expect(modules.length).toBeGreaterThan(100);
    expect(
      modules.map(({ path }) => roomOf(path)).filter((room) => room !== undefined && !ROOMS.includes(room)),
    ).toEqual([]);
  });

  it("contract imports only zod, Node's digests and itself", () => {
    const allowed = ["zod", "node:crypto"];
    expect(offences(inTree("contract"), (_, to) => !allowed.includes(to) && !to.startsWith("contract/"))).toEqual([]);
  });

  it("nothing of a gateway reads all of node:http", () => {
    const readers = [...inTree("contract"), ...inTree("gateway")].filter(({ code }) =>
      /^(?:import|export) (?!type )[^;]*? from "node:https?";/m.test(code),
    );
    expect(readers.map(({ path }) => path)).toEqual([]);
  });

  it("gateway and infra never import each other, and neither imports the command line", () => {
    expect(offences(inTree("gateway"), (_, to) => /^(?:infra|cli|test|bench)\//.test(to))).toEqual([]);
    expect(offences(inTree("infra"), (_, to) => /^(?:gateway|cli|test|bench)\//.test(to))).toEqual([]);
  });

  it("sizing imports contract and itself, topology adds sizing", () => {
    const beyond = (allowed: RegExp) => (_: Module, to: string) =>
      /^(?:infra|gateway|cli)\//.test(to) && !allowed.test(to);
    expect(offences(inTree("infra/sizing"), beyond(/^infra\/sizing\//))).toEqual([]);
    expect(offences(inTree("infra/topology"), beyond(/^infra\/(?:sizing|topology)\//))).toEqual([]);
  });

  it("simulation, from-env and observability add sizing, and rooms of infra are entered through their doors", () => {
    const beyond = (allowed: RegExp) => (_: Module, to: string) =>
      /^(?:infra|gateway|cli)\//.test(to) && !allowed.test(to);
    expect(offences(inTree("infra/simulation"), beyond(/^infra\/(?:sizing|simulation)\//))).toEqual([]);
    expect(offences(inTree("infra/from-env"), beyond(/^infra\/(?:sizing|from-env)\//))).toEqual([]);
    expect(offences(inTree("infra/observability"), beyond(/^infra\/(?:sizing|observability)\//))).toEqual([]);
    const infraRoom = (path: string) => /^infra\/([^/]+)\//.exec(path)?.[1];
    // Reports are a room within sizing with a door of their own; so are the targets, and the halves of them that know no Pulumi.
    const isPast = ({ path }: Module, to: string) =>
      infraRoom(to) !== undefined &&
      infraRoom(to) !== infraRoom(path) &&
      !/^infra\/(?:[^/]+\/(?:report\/)?|targets\/[^/]+\/(?:manifests\/|plan\/|rules\/)?)index\.ts$/.test(to);
    expect(offences(modules, isPast)).toEqual([]);
  });

  it("the rules of Kubernetes objects are pure: what they judge, and nothing that reads, runs or asks", () => {
    const allowed =
      /^(?:infra\/targets\/kubernetes\/(?:rules\/|manifest\.ts$)|contract\/|kubernetes-models\/_schemas\/|node:(?:net|util)$)/;
    expect(offences(inTree("infra/targets/kubernetes/rules"), (_, to) => !allowed.test(to))).toEqual([]);
  });

  it("policies import Pulumi's policies and the rules", () => {
    const allowed = /^(?:infra\/(?:policies\/|targets\/kubernetes\/rules\/index\.ts$)|@pulumi\/policy$|node:module$)/;
    expect(offences(inTree("infra/policies"), (_, to) => !allowed.test(to))).toEqual([]);
    // Constructing the pack starts a server.
    expect(offences(modules, (_, to) => to === "infra/policies/index.ts")).toEqual([]);
  });

  it("the local target adds topology, and so does verification, which knows no target", () => {
    const beyond = (allowed: RegExp) => (_: Module, to: string) =>
      /^(?:infra|gateway|cli)\//.test(to) && !allowed.test(to);
    const local = /^infra\/(?:topology|targets\/local)\//;
    expect(offences(inTree("infra/targets/local"), beyond(local))).toEqual([]);
    expect(offences(inTree("infra/verify"), beyond(/^infra\/(?:topology|verify)\//))).toEqual([]);
  });

  it("Pulumi is imported only by the Pulumi program, its targets and its policies", () => {
    const allowed = /^infra\/(?:index\.ts$|policies\/|targets\/(?:kubernetes|docker)\/)/;
    expect(offences(modules, ({ path }, to) => PULUMI.test(to) && !allowed.test(path))).toEqual([]);
  });

  it("a room imports only rooms above it", () => {
    const isBelow = ({ path }: Module, to: string) => {
      const [from, target] = [roomOf(path), roomOf(to)];
      return from !== undefined && target !== undefined && ROOMS.indexOf(target) > ROOMS.indexOf(from);
    };
    expect(offences(inTree("gateway"), isBelow)).toEqual([]);
    // The files beside the rooms put them together: no room may import one.
    expect(
      offences(inTree("gateway"), ({ path }, to) => roomOf(path) !== undefined && /^gateway\/[^/]+$/.test(to)),
    ).toEqual([]);
  });

  it("a room is entered through its door", () => {
    const isPastDoor = ({ path }: Module, to: string) => {
      const target = roomOf(to);
      return target !== undefined && target !== roomOf(path) && !isDoor(to) && !isEntryOf(path, to);
    };
    expect(offences(modules, isPastDoor)).toEqual([]);
    const doorless = ROOMS.filter(
      (room) => inTree(`gateway/${room}`).length > 0 && !existsSync(join(ROOT, "gateway", room, "index.ts")),
    );
    expect(doorless).toEqual([]);
  });

  it("only settings reads the environment, besides the command line", () => {
    const readers = modules.filter(
      ({ path, code }) => !path.startsWith("cli/") && /\bprocess\s*(?:\.|\[\s*["'])\s*env\b/.test(code),
    );
    expect(readers.map(({ path }) => roomOf(path) ?? path).filter((room) => room !== "settings")).toEqual([]);
  });

  it("only store speaks SQL and opens PostgreSQL", () => {
    expect(offences(modules, ({ path }, to) => /^(?:pg|pg-.*)$/.test(to) && roomOf(path) !== "store")).toEqual([]);
    const sql =
      /\b(?:select\s[^;]*?\sfrom\s|insert\s+into\s|delete\s+from\s|create\s+(?:unlogged\s+)?table\s|alter\s+table\s)/i;
    // SQL stands in string literals; sentences of comments are gone, and names in code have no blanks.
    const literals = (code: string) => code.match(/`(?:[^`\\]|\\.)*`|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g) ?? [];
    const speakers = modules.filter(
      ({ code, path }) => roomOf(path) !== "store" && literals(code).some((text) => sql.test(text)),
    );
    // Scripts of the jobs that make the roles and try the backups: files of a deployment, which psql runs.
    const scripts = ["infra/topology/tiers/backups.ts", "infra/topology/tiers/jobs.ts"];
    expect(speakers.map(({ path }) => path)).toEqual(scripts);
  });

  it("only coordination and cache speak Redis", () => {
    const isRedis = (to: string) => to === "ioredis" || to === "redis";
    expect(
      offences(modules, ({ path }, to) => isRedis(to) && !["coordination", "cache"].includes(roomOf(path) ?? "")),
    ).toEqual([]);
  });

  it("nothing is exported by default but the Pulumi program", () => {
    const defaults = modules
      .filter(({ code }) => /^export\s+default\b|\bas\s+default\b/m.test(code))
      .map(({ path }) => path);
    expect(defaults.filter((path) => path !== "infra/index.ts")).toEqual([]);
  });

  it("every declared setting is read", () => {
    const readers = modules
      .filter(({ path }) =>
        /^(?:gateway\/[^/]+\.ts|gateway\/settings\/(?:processes|secrets|thread-pool)\.ts|cli\/.*)$/.test(path),
      )
      .map(({ code }) => code);
    // By its name, or taken out of the settings with others.
    const reads = (name: string) =>
      new RegExp(`\\bsettings\\.${name}\\b|\\{[^{}]*\\b${name}\\b[^{}]*\\}(?: = settings|: Settings)\\b`);
    const unread = settingNames.filter((name) => !readers.some((code) => reads(name).test(code)));
    expect(unread).toEqual([]);
  });

  it("every declared metric is fed: a figure that nothing moves would read as a true 0", () => {
    const unfed = metricNames.filter((name) => !inTree("gateway").some(({ code }) => code.includes(`"${name}"`)));
    expect(unfed).toEqual([]);
  });
});

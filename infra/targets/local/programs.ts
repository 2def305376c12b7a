/** The daemons that are installed here, with their versions: files are rendered for them, and a missing one is named before anything starts. */
import { execFile } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { Tier, Topology } from "../../topology/index.ts";

export type Program = {
  readonly path: string;
  /** As it says itself: `1.22.1`, `15.18`. */
  readonly version: string;
};

export type Programs = {
  readonly nginx: (Program & { readonly modules: NginxModules }) | null;
  readonly pgbouncer: Program | null;
  readonly postgres: Program | null;
  readonly redis: Program | null;
  /** Directories that hold them; before PATH for everything that runs here. */
  readonly directories: readonly string[];
};

/** Paths of shared objects; null where they are not installed. */
export type NginxModules = {
  readonly javascript: string | null;
  readonly brotli: string | null;
  readonly zstd: string | null;
};

type DaemonTier = "nginx" | "pgbouncer" | "postgres" | "redis";

const DAEMONS: Readonly<
  Record<DaemonTier, { readonly program: string; readonly flag: string; readonly debian: string }>
> = {
  nginx: { program: "nginx", flag: "-v", debian: "nginx" },
  pgbouncer: { program: "pgbouncer", flag: "--version", debian: "pgbouncer" },
  postgres: { program: "postgres", flag: "--version", debian: "postgresql" },
  redis: { program: "redis-server", flag: "--version", debian: "redis-server" },
};

const MODULES = "/usr/lib/nginx/modules";

/** Runs a program to its end and answers everything that it printed. */
export type Ask = (path: string, flag: string) => Promise<string>;

const run = promisify(execFile);
const askProgram: Ask = async (path, flag) => {
  const { stdout, stderr } = await run(path, [flag], { env: {}, timeout: 10_000 });
  return stdout + stderr;
};

/** On PATH first, then where Debian keeps what is not on an ordinary user's PATH; of several PostgreSQL the newest. */
export function searchPath(path: string): readonly string[] {
  const postgres = globSync("/usr/lib/postgresql/*/bin").toSorted((a, b) => majorOf(b) - majorOf(a));
  return [
    ...new Set([...path.split(delimiter).filter((one) => one !== ""), ...postgres, "/usr/sbin", "/usr/local/sbin"]),
  ];
}

function majorOf(directory: string): number {
  return Number(/\/(\d+)\/bin$/.exec(directory)?.[1] ?? 0);
}

/** `path`: the caller's PATH. Throws RangeError where a program that is there does not say its version. */
export async function findPrograms(path: string, ask: Ask = askProgram): Promise<Programs> {
  const directories = searchPath(path);
  const find = async (tier: DaemonTier): Promise<Program | null> => {
    const { program, flag } = DAEMONS[tier];
    const found = directories.map((directory) => join(directory, program)).find((file) => existsSync(file));
    return found === undefined ? null : { path: found, version: versionIn(found, await ask(found, flag)) };
  };
  const [nginx, pgbouncer, postgres, redis] = await Promise.all([
    find("nginx"),
    find("pgbouncer"),
    find("postgres"),
    find("redis"),
  ]);
  return {
    nginx: nginx === null ? null : { ...nginx, modules: nginxModules() },
    pgbouncer,
    postgres,
    redis,
    directories,
  };
}

/** nginx: `nginx version: nginx/1.22.1`; PgBouncer 1.18.0; postgres (PostgreSQL) 15.18 (Debian …); Redis server v=7.0.15 sha=…. */
export function versionIn(path: string, text: string): string {
  const version = /(?:nginx\/|PgBouncer |\(PostgreSQL\) |\bv=)(\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1];
  if (version !== undefined) return version;
  throw new RangeError(`${path} does not say its version, but ${JSON.stringify(text.slice(0, 200))}`);
}

function nginxModules(): NginxModules {
  const module = (name: string) => {
    const path = join(MODULES, name);
    return existsSync(path) ? path : null;
  };
  return {
    javascript: module("ngx_http_js_module.so"),
    brotli: module("ngx_http_brotli_filter_module.so"),
    zstd: module("ngx_http_zstd_filter_module.so"),
  };
}

/** Throws RangeError with every program that the topology's tiers need and that is not here, and the packages that bring them. */
export function requirePrograms(programs: Programs, workloads: Topology["workloads"]): void {
  const tiers = new Set<Tier>(workloads.map(({ tier }) => tier));
  const needed = (["nginx", "pgbouncer", "postgres", "redis"] as const).filter((tier) => tiers.has(tier));
  const missing = needed.filter((tier) => programs[tier] === null).map((tier) => DAEMONS[tier]);
  if (missing.length === 0) return;
  const names = missing.map(({ program }) => program).join(", ");
  const packages = missing.map(({ debian }) => debian).join(" ");
  throw new RangeError(`not installed here: ${names}; on Debian: apt install ${packages}`);
}

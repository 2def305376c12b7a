/** Directories and files of a workload on this disk: made for its user, secrets put in last, scratch emptied, nothing kept ever removed. */
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { resolveText, type Workload } from "../../topology/index.ts";
import { closedOnTheWay, type User } from "./users.ts";

export type Disk = {
  /** Everything is below it; absolute. */
  readonly data: string;
  readonly secrets: Readonly<Record<string, string>>;
};

/** The stack's own directory: users of its processes pass through it, nobody else reads it. */
export function makeDataDirectory(data: string): void {
  mkdirSync(data, { recursive: true, mode: 0o711 });
  chmodSync(data, 0o711);
  mkdirSync(join(data, "logs"), { recursive: true, mode: 0o711 });
}

/** Throws RangeError where a process could not get to its files. */
export function requirePassage(data: string, users: readonly User[]): void {
  for (const user of users) {
    const closed = closedOnTheWay(data, user);
    if (closed !== undefined)
      throw new RangeError(
        `user ${user.name}, whom processes of the stack run as, may not enter ${closed}: choose another directory with --data-dir, such as /var/lib/mcp-stack`,
      );
  }
}

/** Directories and volumes, before each start: what is scratch is empty then. */
export function layVolumes(workload: Workload, disk: Disk, user: User | undefined): void {
  for (const volume of workload.volumes) {
    const path = insideOf(disk.data, volume.path, workload.name);
    makeDirectory(disk.data, path, user);
    if (volume.kind === "scratch") empty(path, user);
  }
}

/** The rendered files, each whole or not at all: a daemon may read it at any moment. Throws RangeError for one outside the data directory. */
export function layFiles(workload: Workload, disk: Disk, user: User | undefined): void {
  for (const { path, text, isSecret } of workload.files) {
    const file = insideOf(disk.data, path, workload.name);
    makeDirectory(disk.data, dirname(file), user);
    writeWhole(file, isSecret ? resolveText(text, disk.secrets) : text, isSecret ? 0o600 : 0o644, user);
  }
}

/** Replaces a file at once; its bytes are nobody's but the user's from the first one on. */
export function writeWhole(file: string, text: string, mode: number, user: User | undefined): void {
  const fresh = `${file}.new`;
  rmSync(fresh, { force: true });
  writeFileSync(fresh, text, { mode: 0o600, flag: "wx" });
  if (user !== undefined) chownSync(fresh, user.uid, user.gid);
  chmodSync(fresh, mode);
  renameSync(fresh, file);
}

/** Throws RangeError: what is outside is not ours to write, still less to empty. */
function insideOf(data: string, path: string, workload: string): string {
  const way = relative(data, path);
  if (way !== "" && !way.startsWith("..") && !way.startsWith("/")) return path;
  throw new RangeError(`${path} of ${workload} is not inside the data directory ${data}`);
}

/** Those above the last belong to the stack and are passed through; the last is the user's alone. */
function makeDirectory(data: string, path: string, user: User | undefined): void {
  if (path === data) return;
  const parent = dirname(path);
  if (parent !== data && lstatSync(parent, { throwIfNoEntry: false }) === undefined) makeShared(data, parent);
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) mkdirSync(path, { mode: 0o700 });
  if (user !== undefined) chownSync(path, user.uid, user.gid);
}

function makeShared(data: string, path: string): void {
  if (path === data || lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  makeShared(data, dirname(path));
  mkdirSync(path, { mode: 0o711 });
}

/** What an earlier run has left there may be another user's. */
function empty(path: string, user: User | undefined): void {
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
  chmodSync(path, 0o700);
  if (user !== undefined) chownSync(path, user.uid, user.gid);
}

/** Small file systems, for tests of a disk that is full. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Mounts a file system in memory of this size (`1m`) on an existing directory. */
export function mountDisk(path: string, size: string): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path]);
}

export function unmountDisk(path: string): void {
  execFileSync("umount", ["-l", path]);
}

/** Why no disk can be mounted here; undefined when it can. In most containers even root may not. */
export function noDisks(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "only root may mount a small file system";
  const path = mkdtempSync(join(tmpdir(), "mcp-stack-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", path]).status === 0;
  if (mounted) unmountDisk(path);
  rmdirSync(path);
  return mounted ? undefined : "this machine refuses to mount a file system";
}

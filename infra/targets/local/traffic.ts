/**
 * Leads new requests away from a replica before it ends. A cluster takes it out of a Service's addresses; here nginx is told, through
 * its file and a reload, and old workers are waited for.
 */
import type { Workload } from "../../topology/index.ts";
import { childrenOf, titleOf } from "./proc.ts";

/** The same nginx with `port` marked as down (nginx, ngx_http_upstream_module, server); null where it does not send there. */
export function withoutServer(nginx: Workload, port: number): Workload | null {
  const server = new RegExp(`^(\\s*server\\s+\\S+:${port}\\b[^;{]*);`, "gm");
  const files = nginx.files.map((file) => ({ ...file, text: file.text.replace(server, "$1 down;") }));
  const isSame = files.every(({ text }, at) => text === nginx.files[at]?.text);
  return isSame ? null : { ...nginx, files };
}

/** How many replicas it sends to. */
export function serversIn({ files }: Workload): number {
  return files.reduce((sum, { text }) => sum + [...text.matchAll(/^\s*server\s+[^\s;{]+[^;{]*;/gm)].length, 0);
}

/**
 * Whether the workers that nginx had before a reload take no new connections any more: they have said so in their titles
 * (`worker process is shutting down`), or are gone; and others have taken over.
 */
export function hasHandedOver(master: number, before: readonly number[]): boolean {
  const workers = workersOf(master);
  const isOpen = (pid: number) => before.includes(pid);
  return workers.length > 0 && !workers.some(isOpen);
}

/** Workers that take connections. */
export function workersOf(master: number): readonly number[] {
  return childrenOf(master).filter((pid) => titleOf(pid) === "nginx: worker process");
}

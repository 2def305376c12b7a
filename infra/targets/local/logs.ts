/**
 * What the processes print: a file for each, which they append to themselves, so that they neither stop nor lose a line when the
 * supervisor is gone; kept small by copying and cutting; and all of them as one view.
 */
import { chownSync, closeSync, copyFileSync, fstatSync, openSync, readSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { User } from "./users.ts";

/** A file at its limit becomes `<name>.log.1` and starts again: twice this is what one workload can take. */
export const LOG_LIMIT_BYTES = 16 * 1024 * 1024;
const FOLLOW_MS = 200;
const READ_BYTES = 256 * 1024;

export function logFile(directory: string, workload: string): string {
  return join(directory, `${workload}.log`);
}

/** A descriptor that appends; whoever opened it closes it. The process's user owns the file, for a daemon may open it by name again. */
export function openLog(directory: string, workload: string, user: User | undefined): number {
  const file = logFile(directory, workload);
  const fd = openSync(file, "a", 0o640);
  if (user !== undefined) chownSync(file, user.uid, user.gid);
  return fd;
}

/** True where it was cut. Appending goes on at the new end (open(2), O_APPEND); what is printed between the two steps is lost. */
export function rotateLog(file: string, limitBytes: number = LOG_LIMIT_BYTES): boolean {
  if (sizeOf(file) < limitBytes) return false;
  copyFileSync(file, `${file}.1`);
  truncateSync(file, 0);
  return true;
}

/** The last lines, without the newline at the end; empty where there is no file. */
export function lastLines(file: string, count: number, fromByte = 0): readonly string[] {
  const size = sizeOf(file);
  const start = Math.max(Math.min(fromByte, size), size - READ_BYTES);
  const lines = readFrom(file, start, READ_BYTES).toString("utf8").split("\n");
  return lines.filter((line) => line !== "").slice(-count);
}

export function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

export type LineSink = (workload: string, line: string) => void;

/** Hands over whole lines as they come, from the files' present ends on; `stop` hands over what has come until then. */
export function followLogs(directory: string, workloads: () => readonly string[], sink: LineSink): { stop(): void } {
  const places = new Map<string, { offset: number; rest: string }>();
  for (const name of workloads()) places.set(name, { offset: sizeOf(logFile(directory, name)), rest: "" });
  const look = () => {
    for (const name of workloads()) {
      const place = places.get(name) ?? { offset: 0, rest: "" };
      places.set(name, place);
      advance(logFile(directory, name), place, (line) => sink(name, line));
    }
  };
  const timer = setInterval(look, FOLLOW_MS);
  return {
    stop() {
      clearInterval(timer);
      look();
    },
  };
}

function advance(file: string, place: { offset: number; rest: string }, sink: (line: string) => void): void {
  const size = sizeOf(file);
  if (size < place.offset) Object.assign(place, { offset: 0, rest: "" });
  while (place.offset < size) {
    const bytes = readFrom(file, place.offset, READ_BYTES);
    if (bytes.length === 0) return;
    place.offset += bytes.length;
    // Latin-1 on the way: a character may lie across two reads.
    const lines = (place.rest + bytes.toString("latin1")).split("\n");
    place.rest = lines.pop() ?? "";
    for (const line of lines) sink(Buffer.from(line, "latin1").toString("utf8"));
  }
}

function readFrom(file: string, start: number, most: number): Buffer {
  if (sizeOf(file) === 0) return Buffer.alloc(0);
  const fd = openSync(file, "r");
  try {
    const bytes = Buffer.alloc(Math.min(most, Math.max(0, fstatSync(fd).size - start)));
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, start));
  } finally {
    closeSync(fd);
  }
}

/** Secrets from files, as orchestrators mount them: `<NAME>_FILE` names the file. Nothing here ever tells what a file holds. */
import { readFileSync, statSync } from "node:fs";
import { isAbsolute } from "node:path";

/** No secret is longer than 64 KiB; what is much larger is some other file. */
const MAX_FILE_BYTES = 128 * 1024;
const OTHERS_READ = 0o004;

export type SecretFile =
  /** `isOpen`: every user of this machine can read it. */
  | { readonly text: string; readonly isOpen: boolean }
  /** What the file has to be. */
  | { readonly problem: string };

/**
 * The text of the file, without one line feed at its end: editors and `echo` write it, and no secret ends with one.
 */
export function readSecretFile(path: string): SecretFile {
  if (!isAbsolute(path)) return { problem: "an absolute path" };
  try {
    const found = statSync(path);
    // A pipe or a device could keep the start waiting, or never end.
    if (!found.isFile()) return { problem: "the path of a plain file" };
    if (found.size > MAX_FILE_BYTES) return { problem: "the path of a file with a secret of at most 65536 bytes" };
    const text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path)).replace(/\r?\n$/, "");
    if (text === "") return { problem: "the path of a file that is not empty" };
    return { text, isOpen: (found.mode & OTHERS_READ) !== 0 };
  } catch (error) {
    // The reason of a failed look is a code such as ENOENT; text that is no UTF-8 has ERR_ENCODING_INVALID_ENCODED_DATA.
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
    if (code === "ERR_ENCODING_INVALID_ENCODED_DATA") return { problem: "the path of a file with UTF-8 text" };
    return { problem: `the path of a file that this process can read (${code})` };
  }
}

/** What a file says, before anything is judged: names with values, each with its line. Values may be secrets. */

/** Who is configured: the gateway's names, or those of a server beside it. */
export type Role = "gateway" | "pgbouncer" | "postgres" | "redis" | "nginx";

export type Assignment = {
  readonly name: string;
  readonly value: string;
  /** From 1. */
  readonly line: number;
  readonly role: Role;
  /** An environment variable, a flag of the command (`-c name=value`, `--name value`), or a property of the service. */
  readonly kind: "environment" | "flag" | "service";
};

/** What could not be read. The text of the file is never repeated: it may hold secrets. */
export type FileProblem = { readonly line: number; readonly message: string };

export type Source = {
  readonly form: "env" | "compose";
  readonly assignments: readonly Assignment[];
  readonly problems: readonly FileProblem[];
  /** What a reader should know of how the file was read. */
  readonly notes: readonly string[];
  /** Which of the servers the file itself runs; of a plain environment file nothing is known. */
  readonly services: ReadonlySet<Role>;
};

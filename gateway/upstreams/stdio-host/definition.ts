/** What the stdio host is told of one upstream, and what a child's environment may contain. */
import * as z from "zod";
import { fault } from "../../../contract/errors.ts";

/** Text an operating system takes: its strings end at a NUL. */
const text = (maxChars: number) =>
  z
    .string()
    .max(maxChars)
    .regex(/^[^\0]*$/, "must not contain a NUL character");

const schema = z.strictObject({
  /** Changes whenever something below changes; opaque. */
  revision: z.string().min(1).max(200),
  /** For messages and logs; the id when absent. */
  name: z.string().min(1).max(200).optional(),
  command: text(4096).min(1),
  args: z.array(text(131_072)).max(1000).default([]),
  env: z.record(z.string().regex(/^[^=\0]+$/), text(131_072)).default({}),
  cwd: text(4096).min(1).optional(),
  isolation: z.enum(["session", "shared"]).default("session"),
});

export type Definition = z.infer<typeof schema> & { readonly id: string };

/** Reads the body of PUT /definitions/{id}; throws MCPS_PARSE or MCPS_ITEM_INVALID. Values of env stand in no message. */
export function parseDefinition(id: string, body: Buffer): Definition {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw fault("MCPS_PARSE", { reason: error instanceof Error ? error.name : "bad JSON" });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ...parsed.data, id };
  const problems = parsed.error.issues.map((issue) => `${issue.path.join(".") || "the body"}: ${issue.message}`);
  throw fault("MCPS_ITEM_INVALID", { kind: "stdio definition", count: problems.length, problems: problems.join("; ") });
}

/** The variables a program needs to run at all; none of them is a secret of ours. */
const INHERITED = new Set(
  "PATH HOME USER LOGNAME SHELL LANG LANGUAGE LC_ALL LC_CTYPE TZ TMPDIR TEMP TMP TERM SYSTEMROOT SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS".split(
    " ",
  ),
);

/** The part of an environment that MCP servers inherit; a definition's own env is laid over it. */
export function inheritedEnvironment(source: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(source)) {
    if (value !== undefined && INHERITED.has(name.toUpperCase())) kept[name] = value;
  }
  return kept;
}

/** Values shorter than this are not redacted: they are no secrets, and "1" would make lines unreadable. */
const MIN_REDACTED_LENGTH = 4;

/** Replaces values of the definition's env, line by line and the longest first, in text that leaves for logs or errors. */
export function redact(text: string, env: Readonly<Record<string, string>>): string {
  const secrets = Object.entries(env)
    .flatMap(([name, value]) => value.split(/\r?\n/).map((line) => ({ name, line })))
    .filter(({ line }) => line.length >= MIN_REDACTED_LENGTH)
    .sort((a, b) => b.line.length - a.line.length);
  return secrets.reduce((clean, { name, line }) => clean.replaceAll(line, `[${name}]`), text);
}

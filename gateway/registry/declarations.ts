/** The `{"mcpServers": {…}}` form of MCP clients: parsed with every problem at once, environment variables filled in. */
import * as z from "zod";
import { SLUG, slugify } from "../mcp/index.ts";
import type { GatewayInput } from "../store/index.ts";
import { nearest, nulProblems, problemsOf } from "./problems.ts";

const texts = z.record(z.string(), z.string());
const entryFields = z.strictObject({
  command: z.string().min(1),
  args: z.array(z.string()),
  env: texts,
  cwd: z.string(),
  url: z.string(),
  type: z.enum(["stdio", "http", "sse", "streamable-http", "streamableHttp"]),
  headers: texts,
  disabled: z.boolean(),
  description: z.string(),
  /** Ours, beside what clients know. */
  era: z.enum(["auto", "legacy", "modern"]),
  isolation: z.enum(["session", "shared"]),
});
const entrySchema = entryFields.partial();
const fileSchema = z.object({ mcpServers: z.record(z.string(), z.unknown()) });

export type DeclaredEntry = z.infer<typeof entrySchema>;
export type Environment = Readonly<Record<string, string | undefined>>;
export type Declared = { readonly inputs: readonly GatewayInput[]; readonly problems: readonly string[] };

const MAX_ENTRIES = 1000;

/** Throws RangeError when the text as a whole is not such a file; problems of single entries are collected. */
export function parseDeclarations(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const file = fileSchema.safeParse(value);
  if (!file.success) throw new RangeError(`it has to be {"mcpServers": {"<name>": {…}}}`);
  if (Object.keys(file.data.mcpServers).length > MAX_ENTRIES) throw new RangeError(`more than ${MAX_ENTRIES} servers`);
  return file.data.mcpServers;
}

/** `${NAME}` and `${NAME:-otherwise}` in a value; an unset name without an alternative is a problem. */
function expanded(value: string, env: Environment, missing: (name: string) => void): string {
  return value.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g, (_, name: string, otherwise?: string) => {
    const found = env[name];
    if (found === undefined && otherwise === undefined) missing(name);
    return found ?? otherwise ?? "";
  });
}

function filled(entry: DeclaredEntry, env: Environment, missing: (name: string) => void): DeclaredEntry {
  const one = (value: string) => expanded(value, env, missing);
  const all = (values: Record<string, string>) =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, one(value)]));
  const { command, args, env: own, cwd, url, headers } = entry;
  return {
    ...entry,
    ...(command === undefined ? {} : { command: one(command) }),
    ...(args === undefined ? {} : { args: args.map(one) }),
    ...(own === undefined ? {} : { env: all(own) }),
    ...(cwd === undefined ? {} : { cwd: one(cwd) }),
    ...(url === undefined ? {} : { url: one(url) }),
    ...(headers === undefined ? {} : { headers: all(headers) }),
  };
}

/** Declared upstreams as inputs of the store. Entries with problems are left out and named. */
export function readDeclarations(entries: Readonly<Record<string, unknown>>, env: Environment): Declared {
  const inputs = new Map<string, GatewayInput>();
  const problems: string[] = [];
  for (const [name, raw] of Object.entries(entries)) {
    const say = (text: string) => void problems.push(`mcpServers.${name}: ${text}`);
    const known = withoutForeign(raw, say);
    const parsed = entrySchema.safeParse(known);
    if (!parsed.success) {
      for (const { path, allowed } of problemsOf(parsed.error, known, Object.keys(entryFields.shape))) {
        say(path === "" ? allowed : `${path}: ${allowed}`);
      }
      continue;
    }
    const before = problems.length;
    const entry = filled(parsed.data, env, (variable) => say(`the environment variable ${variable} is not set`));
    checkShape(entry, say);
    for (const { path, allowed } of nulProblems({ name, ...entry })) say(`${path}: ${allowed}`);
    const slug = SLUG.test(name) ? name : slugify(name);
    if (inputs.has(slug)) say(`its short name ${slug} is that of ${inputs.get(slug)?.name ?? "another"} too`);
    if (problems.length === before) inputs.set(slug, inputOf(name, slug, entry));
  }
  return { inputs: [...inputs.values()], problems };
}

/**
 * Files are shared with clients, which have fields of their own (timeout, autoApprove): said, and the entry is used without.
 * A field that looks like one of ours mistyped stays, and is refused.
 */
function withoutForeign(raw: unknown, say: (text: string) => void): unknown {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return raw;
  const fields = Object.keys(entryFields.shape);
  const isForeign = (key: string) => !fields.includes(key) && nearest(key, fields) === undefined;
  const foreign = Object.keys(raw).filter(isForeign);
  if (foreign.length > 0) say(`${foreign.join(", ")}: not known here, the rest of the entry is used`);
  return Object.fromEntries(Object.entries(raw).filter(([key]) => !isForeign(key)));
}

function checkShape(entry: DeclaredEntry, say: (text: string) => void): void {
  const { command, url, type } = entry;
  if ((command === undefined) === (url === undefined)) say("it needs either command or url");
  if (url !== undefined && !(/^https?:\/\//i.test(url) && URL.canParse(url)))
    say("url: has to be an absolute http or https URL");
  if (url !== undefined && type === "stdio") say("type: stdio goes with command");
  if (command !== undefined && type !== undefined && type !== "stdio") say(`type: ${type} goes with url`);
  for (const field of ["args", "env", "cwd"] as const) {
    if (command === undefined && entry[field] !== undefined) say(`${field}: only with command`);
  }
  if (url === undefined && entry.headers !== undefined) say("headers: only with url");
}

function inputOf(name: string, slug: string, entry: DeclaredEntry): GatewayInput {
  const { command, args = [], env = {}, cwd = null, url = null, type, headers = {} } = entry;
  const authHeaders = Object.fromEntries(Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]));
  return {
    slug,
    name,
    description: entry.description ?? "",
    transport: command !== undefined ? "STDIO" : type === "sse" ? "SSE" : "STREAMABLEHTTP",
    url: command === undefined ? url : null,
    stdio: command === undefined ? null : { command, args, env, cwd, isolation: entry.isolation ?? "session" },
    ...(command === undefined && entry.isolation === "shared" ? { isolation: entry.isolation } : {}),
    era: entry.era ?? "auto",
    authHeaders,
    authType: Object.keys(authHeaders).length === 0 ? "none" : "authheaders",
    passthroughHeaders: [],
    requestTimeoutMs: null,
    tags: [],
    visibility: "public",
    teamId: null,
    ownerEmail: null,
    enabled: entry.disabled !== true,
    source: "config",
  };
}

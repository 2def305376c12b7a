/** `mcp-stack audit verify | export`: whether the audit trail is what was written, in the database or in a file that was made of it. */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { Settings } from "../../contract/settings.ts";
import type { Head, Verdict } from "../../gateway/admin/index.ts";
import { loadSettings } from "../../gateway/settings/index.ts";
import { createLog } from "../../gateway/telemetry/index.ts";
import { type Command, type OptionValues, readOptions, UsageError } from "../command.ts";
import { printJson, say } from "../print.ts";

const options = {
  file: { type: "string", value: "<path>", help: "verify: what `audit export` wrote, instead of the database" },
  since: {
    type: "string",
    value: "<path>",
    help: "verify: an earlier answer of --json; chains that lost their end since",
  },
  writer: { type: "string", value: "<name>", help: "Only this chain" },
  json: { type: "boolean", help: "verify: the answer as JSON, with the end of each chain" },
  "data-dir": {
    type: "string",
    value: "<directory>",
    help: "Where generated secrets and the embedded database are (DATA_DIR)",
  },
} as const;

const earlier = z.object({
  heads: z.array(z.strictObject({ writer: z.string(), sequence: z.int(), hash: z.string() })),
});

type Seen = Verdict & { readonly heads: readonly Head[] };

export const command: Command = {
  summary: "verify the audit trail (audit verify), or write it out (audit export)",
  options,
  async run([action, ...rest]) {
    const given = readOptions(rest, options);
    const { settings } = loadSettings({ cli: { DATA_DIR: given["data-dir"] } });
    if (action === "export") return await exportTrail(settings, given);
    if (action !== "verify") throw new UsageError("audit verify, or audit export");
    const verdict = await verify(settings, given);
    if (given.json === true) printJson(verdict);
    else printVerdict(verdict);
    return verdict.ok ? 0 : 1;
  },
};

async function verify(settings: Settings, given: OptionValues<typeof options>): Promise<Seen> {
  const { readChainKeys, withAuditTrail } = await import("../../gateway/audit-trail.ts");
  const { readTrail, verifyWrittenOut } = await import("../../gateway/admin/index.ts");
  const keys = await readChainKeys(settings);
  const { file, since, writer } = given;
  if (file !== undefined) {
    if (since !== undefined || writer !== undefined) throw new UsageError("--since and --writer are for the database");
    const input = createReadStream(file);
    // A file that cannot be read is told as such, not as one that ends at once.
    await once(input, "open").catch((error: unknown) => Promise.reject(unreadable(file, error)));
    return await verifyWrittenOut(linesOf(input.setEncoding("utf8")), keys);
  }
  const heads = since === undefined ? [] : await headsIn(since);
  const log = createLog({ level: "warn", format: settings.LOG_FORMAT });
  return await withAuditTrail(settings, log, (records) =>
    readTrail(records, keys, writer === undefined ? heads : heads.filter((head) => head.writer === writer), writer),
  );
}

/** What stands between line feeds, which alone end a line here: a name may hold what else is taken for one. A CR before one is left out. */
async function* linesOf(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of texts) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
  if (rest !== "") yield rest;
}

async function headsIn(path: string): Promise<readonly Head[]> {
  const parsed = earlier.safeParse(parsedJson(await textOf(path)));
  if (!parsed.success)
    throw new RangeError(`${path} is no answer of audit verify --json: ${parsed.error.issues[0]?.message}`);
  return parsed.data.heads;
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: string, error: unknown): RangeError {
  return new RangeError(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function exportTrail(settings: Settings, given: OptionValues<typeof options>): Promise<number> {
  if (given.file !== undefined || given.since !== undefined || given.json !== undefined)
    throw new UsageError("audit export writes to stdout; --file, --since and --json are for audit verify");
  const { readChainKeys, withAuditTrail } = await import("../../gateway/audit-trail.ts");
  const { writtenOut } = await import("../../gateway/admin/index.ts");
  const keys = await readChainKeys(settings);
  const log = createLog({ level: "warn", format: settings.LOG_FORMAT });
  await withAuditTrail(settings, log, async (records) => {
    for await (const line of writtenOut(records, keys, given.writer))
      if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
  });
  return 0;
}

function printVerdict({ ok, writers, rows, broken }: Seen): void {
  say(`${rows} rows in ${writers} chains ${ok ? "are what was written" : "are; broken:"}`);
  for (const { writer, sequence, id, reason } of broken)
    process.stdout.write(`${writer} ${sequence}${id === undefined ? "" : ` (row ${id})`}: ${reason}\n`);
}

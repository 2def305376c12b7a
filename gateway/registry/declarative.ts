/**
 * Keeps the upstreams with source `config` as a file declares them, at the start and whenever its content changes. Upstreams that
 * were made over REST are never touched; a file that cannot be read keeps what there is.
 */
import { createHash } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { asFault } from "../../contract/errors.ts";
import type { GatewayInput, GatewayRecord } from "../store/index.ts";
import { revisionOf } from "../store/index.ts";
import { type DeclaredEntry, type Environment, parseDeclarations, readDeclarations } from "./declarations.ts";
import { ask, type InspectParts } from "./inspect.ts";

export type DeclarationOptions = InspectParts & {
  /** The file; absent: only what is built in. */
  readonly path?: string;
  /** Declared without a file; the file's entry of the same name wins. */
  readonly builtIn?: Readonly<Record<string, DeclaredEntry>>;
  /** What `${NAME}` stands for. */
  readonly env: Environment;
};
export type AppliedDeclarations = { readonly problems: readonly string[] };
export type Declarations = {
  /** The first application; rejects only when the database does not answer. */
  readonly applied: Promise<AppliedDeclarations>;
  /** Resolves when no work is left. */
  close(): Promise<void>;
};

/** Editors write in several steps; the content is looked at when they have been quiet for this long, ms. */
const QUIET_MS = 150;
const INSPECTIONS_AT_ONCE = 8;
const MAX_FILE_BYTES = 4 * 1024 * 1024;

export function watchDeclarations(options: DeclarationOptions): Declarations {
  const { path, log } = options;
  let seen = "";
  let timer: NodeJS.Timeout | undefined;
  let watcher: FSWatcher | undefined;
  let closed = false;

  async function entriesNow(): Promise<Record<string, unknown> | undefined> {
    const builtIn = options.builtIn ?? {};
    if (path === undefined) return { ...builtIn };
    const bytes = await readFile(path);
    if (bytes.length > MAX_FILE_BYTES) throw new RangeError(`more than ${MAX_FILE_BYTES} bytes`);
    const digest = createHash("sha256").update(bytes).digest("hex");
    if (digest === seen) return undefined;
    seen = digest;
    return { ...builtIn, ...parseDeclarations(bytes.toString("utf8")) };
  }

  async function apply(): Promise<AppliedDeclarations> {
    let entries: Record<string, unknown> | undefined;
    try {
      entries = await entriesNow();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      await keepBuiltIn(options);
      return { problems: [`${path}: ${reason}; what was declared before stays as it is`] };
    }
    if (entries === undefined) return { problems: [] };
    try {
      return await synchronise(options, entries);
    } catch (error) {
      seen = "";
      throw error;
    }
  }

  const applied = apply();
  let work: Promise<unknown> = applied.catch(() => undefined);

  function reload(): void {
    timer = undefined;
    work = work.then(async () => {
      if (closed) return;
      try {
        const { problems } = await apply();
        for (const problem of problems) log.warn("a declared upstream has a problem", { problem });
      } catch (error) {
        log.error("the declared upstreams could not be applied", { reason: asFault(error, "").message });
      }
    });
  }

  function touched(): void {
    clearTimeout(timer);
    if (!closed) timer = setTimeout(reload, QUIET_MS);
  }

  if (path !== undefined) {
    try {
      // The directory, because editors and ConfigMaps replace the file, and a watch follows the replaced one.
      watcher = watch(dirname(path), { persistent: false }, (_, file) => {
        // Kubernetes replaces the link ..data beside the file.
        if (file === null || file === basename(path) || file === "..data") touched();
      });
      watcher.on("error", (error) => log.warn("the declarations are no longer watched", { reason: error.message }));
    } catch (error) {
      log.warn("the declarations are not watched", { reason: String(error) });
    }
  }
  return {
    applied,
    async close() {
      closed = true;
      clearTimeout(timer);
      watcher?.close();
      await work;
    },
  };
}

/** What is built in is there even while the file cannot be read; nothing else is touched. */
async function keepBuiltIn(parts: DeclarationOptions): Promise<void> {
  const existing = (await parts.store.allGateways()).filter(({ source }) => source === "config");
  const missing = Object.entries(parts.builtIn ?? {}).filter(([name]) =>
    existing.every((record) => record.name !== name),
  );
  if (missing.length === 0) return;
  const others = Object.fromEntries(existing.map(({ name }) => [name, undefined]));
  await synchronise(parts, { ...others, ...Object.fromEntries(missing) });
}

/** Makes the store's config upstreams match; asks each enabled one what it lists. */
async function synchronise(parts: DeclarationOptions, entries: Record<string, unknown>): Promise<AppliedDeclarations> {
  const { store } = parts;
  const { inputs, problems: found } = readDeclarations(entries, parts.env);
  const problems = [...found];
  const existing = await store.allGateways();
  const bySlug = new Map(existing.map((record) => [record.slug, record]));
  // An entry with a problem keeps the upstream it declared before.
  const named = new Set(Object.keys(entries));
  for (const record of existing) {
    if (record.source === "config" && !named.has(record.name)) await store.deleteGateway(record.id);
  }
  const records: GatewayRecord[] = [];
  for (const input of inputs) {
    const former = bySlug.get(input.slug);
    const record =
      former !== undefined && former.source !== "config"
        ? `mcpServers.${input.name}: the short name ${input.slug} is taken by ${former.source === "api" ? "a gateway made over REST" : "what the gateway hosts itself"}`
        : await stored(parts, input, former);
    if (typeof record === "string") problems.push(record);
    else records.push(record);
  }
  await parts.changed();
  const waiting = records.filter((record) => record.enabled);
  await Promise.all(Array.from({ length: Math.min(INSPECTIONS_AT_ONCE, waiting.length) }, () => inspectAll()));
  if (records.length > 0) await parts.changed();
  return { problems };

  async function inspectAll(): Promise<void> {
    for (let record = waiting.shift(); record !== undefined; record = waiting.shift()) {
      const { outcome, failure } = await ask(parts, record);
      await parts.store.recordInspection(record.id, outcome);
      if (failure !== undefined) problems.push(`mcpServers.${record.name}: ${failure.message}`);
    }
  }
}

/** The record after the declaration; a text when it cannot be stored. Another replica with the same file may be faster. */
async function stored(
  { store }: DeclarationOptions,
  input: GatewayInput,
  former: GatewayRecord | undefined,
): Promise<GatewayRecord | string> {
  try {
    if (former === undefined) return await store.createGateway(input);
    return isSame(input, former) ? former : await store.updateGateway(former.id, input);
  } catch (error) {
    const failure = asFault(error, "");
    if (failure.code === "MCPS_DATABASE") throw error;
    const now = (await store.allGateways()).find((one) => one.slug === input.slug && one.source === "config");
    return now ?? `mcpServers.${input.name}: ${failure.message}`;
  }
}

function isSame(input: GatewayInput, record: GatewayRecord): boolean {
  return (
    revisionOf(input) === record.revision &&
    input.name === record.name &&
    input.description === record.description &&
    input.enabled === record.enabled
  );
}

/** What the gateway hosts itself, as an MCP server inside the gateway: lists and reads come straight from the store. */
import * as z from "zod";
import { fault } from "../../contract/errors.ts";
import { type HostedEntry, type ItemKind, LIBRARY, type Store } from "../store/index.ts";
import type { BuiltinRequest, BuiltinServer } from "../upstreams/index.ts";
import { expansionOf, fillContent, fillPrompt, MAX_URI } from "./templates.ts";

export type LibraryOptions = {
  readonly store: Pick<Store, "findHosted" | "hostedTemplates" | "listHosted">;
  readonly identity: { readonly name: string; readonly version: string };
};

const LISTS: Readonly<Record<string, { readonly kind: ItemKind; readonly key: string }>> = {
  "resources/list": { kind: "resource", key: "resources" },
  "resources/templates/list": { kind: "resourceTemplate", key: "resourceTemplates" },
  "prompts/list": { kind: "prompt", key: "prompts" },
  "tools/list": { kind: "tool", key: "tools" },
};

const listParams = z.object({ cursor: z.string().optional() }).optional();
const readParams = z.object({ uri: z.string() });
const getParams = z.object({ name: z.string(), arguments: z.record(z.string(), z.string()).optional() });
const resourceDefinition = z.object({ mimeType: z.string().optional() });
const promptDefinition = z.object({
  description: z.string().optional(),
  arguments: z.array(z.object({ name: z.string(), required: z.boolean().optional() })).optional(),
});

function paramsOf<Schema extends z.ZodType>(request: BuiltinRequest, schema: Schema): z.infer<Schema> {
  const parsed = schema.safeParse(request.params);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const reason = `params.${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not as expected"}`;
  throw fault("MCPS_PARAMS", { method: request.method, reason });
}

/** Answers in the legacy era; each definition passes as it was stored. */
export function createLibrary({ store, identity }: LibraryOptions): BuiltinServer {
  async function list(request: BuiltinRequest, kind: ItemKind, key: string): Promise<Buffer> {
    const cursor = paramsOf(request, listParams)?.cursor ?? "0";
    if (!/^\d{1,15}$/.test(cursor)) throw fault("MCPS_CURSOR", { reason: "not one of this gateway" });
    const { definitions, next } = await store.listHosted(kind, Number(cursor));
    const more = next === undefined ? "" : `,"nextCursor":"${next}"`;
    return Buffer.from(`{"${key}":[${definitions.join(",")}]${more}}`);
  }

  /** The resource of this URI, or the oldest template that gives it; only what the caller may see counts. */
  async function found(request: BuiltinRequest, uri: string): Promise<{ entry: HostedEntry; content: string }> {
    const entry = request.shows("resource", uri) ? await store.findHosted("resource", uri) : undefined;
    if (entry !== undefined) return { entry, content: entry.body };
    // PostgreSQL's text cannot hold U+0000, and no template gives it.
    const mayExpand = uri.length <= MAX_URI && !uri.includes("\0");
    for (const template of mayExpand ? await store.hostedTemplates(uri) : []) {
      const values = request.shows("resourceTemplate", template) ? expansionOf(template, uri) : undefined;
      const source = values === undefined ? undefined : await store.findHosted("resourceTemplate", template);
      if (values !== undefined && source !== undefined) {
        return { entry: source, content: fillContent(source.body, values) };
      }
    }
    throw fault("MCPS_LEGACY_RESOURCE_UNKNOWN", { uri }, { uri });
  }

  async function read(request: BuiltinRequest): Promise<Buffer> {
    const { uri } = paramsOf(request, readParams);
    const { entry, content } = await found(request, uri);
    const { mimeType } = resourceDefinition.parse(JSON.parse(entry.definition));
    const body = entry.encoding === "base64" ? { blob: content } : { text: content };
    return Buffer.from(JSON.stringify({ contents: [{ uri, mimeType, ...body }] }));
  }

  async function get(request: BuiltinRequest): Promise<Buffer> {
    const { name, arguments: given = {} } = paramsOf(request, getParams);
    const entry = request.shows("prompt", name) ? await store.findHosted("prompt", name) : undefined;
    if (entry === undefined) throw fault("MCPS_PROMPT_UNKNOWN", { name });
    const definition = promptDefinition.parse(JSON.parse(entry.definition));
    const values = new Map(Object.entries(given));
    const required = (definition.arguments ?? []).filter((argument) => argument.required === true);
    const missing = required.map((argument) => argument.name).filter((one) => !values.has(one));
    if (missing.length > 0) {
      const reason = `missing required argument ${missing.join(", ")}`;
      throw fault("MCPS_PARAMS", { method: request.method, reason }, { missing });
    }
    const text = fillPrompt(entry.body, values);
    const messages = [{ role: "user", content: { type: "text", text } }];
    return Buffer.from(JSON.stringify({ description: definition.description, messages }));
  }

  return {
    profile: {
      era: "legacy",
      protocolVersion: "2025-11-25",
      sessionless: true,
      capabilities: Buffer.from(LIBRARY.capabilities),
      serverInfo: Buffer.from(JSON.stringify(identity)),
    },
    async answer(request) {
      const wanted = LISTS[request.method];
      if (wanted !== undefined) return list(request, wanted.kind, wanted.key);
      if (request.method === "resources/read") return read(request);
      if (request.method === "prompts/get") return get(request);
      throw fault("MCPS_METHOD", { method: request.method });
    },
  };
}

/** The registry as a document: what one deployment exports and another imports. Things are known by name; ids are kept where they are free. */
import * as z from "zod";
import { outboundSecrets, outboundShape } from "../../store/index.ts";
import { importOptions } from "../rest-schemas.ts";
import { gatewayPatch, serverPatch } from "../schemas.ts";

export const FORMAT = "mcp-stack-registry";
export const VERSION = 1;

const text = z.string().max(65_536);
const visibility = z.enum(["private", "team", "public"]);
const owned = {
  visibility,
  teamId: text.nullable(),
  ownerEmail: text.nullable(),
  enabled: z.boolean(),
  tags: z.array(text).max(100),
};
function isImportOptions(value: string): boolean {
  try {
    return importOptions.safeParse(JSON.parse(value)).success;
  } catch {
    return false;
  }
}
const itemKind = z.enum(["tool", "resource", "resourceTemplate", "prompt"]);
const raw = z.string().max(4 * 1024 * 1024);

/** What an upstream lists, and what people set about it. */
const item = z.strictObject({
  ...owned,
  kind: itemKind,
  /** As the upstream calls it. */
  originalName: text,
  customName: text.nullable(),
  displayName: text.nullable(),
  description: text.nullable(),
  /** Raw JSON, as text: its numbers stay what they are. */
  definition: raw,
  /** Of a REST tool: the HTTP operation, raw JSON, and what it was imported from. */
  operation: raw.optional(),
  sourceKey: text.nullable().optional(),
});
export type ItemEntry = z.infer<typeof item>;

const stdio = z.strictObject({
  command: text,
  args: z.array(text).max(256),
  cwd: text.nullable(),
  isolation: z.enum(["session", "shared"]),
});
const gateway = z.strictObject({
  ...owned,
  id: text,
  slug: gatewayPatch.shape.slug.unwrap(),
  name: text,
  description: text,
  transport: z.enum(["STREAMABLEHTTP", "SSE", "STDIO", "REST"]),
  /** Without its query, which may hold a secret. */
  url: gatewayPatch.shape.url.unwrap(),
  stdio: stdio.nullable(),
  isolation: z.enum(["session", "shared"]).optional(),
  era: z.enum(["auto", "legacy", "modern"]),
  authType: gatewayPatch.shape.authType.unwrap(),
  outbound: outboundShape.optional(),
  passthroughHeaders: z.array(text).max(50),
  requestTimeoutMs: z.int().min(1).max(3_600_000).nullable(),
  capabilities: z.unknown(),
  instructions: raw.nullable(),
  items: z.array(item).max(100_000),
  import: z
    .strictObject({
      url: text.nullable(),
      options: text.refine(isImportOptions, "has to be the options of an import, as JSON"),
      digest: text,
      title: text,
      version: text,
    })
    .optional(),
});
export type GatewayEntry = z.infer<typeof gateway>;

/** A resource, template or prompt that the gateway hosts itself. */
const hosted = z.strictObject({
  ...owned,
  kind: z.enum(["resource", "resourceTemplate", "prompt"]),
  originalName: text,
  customName: text.nullable(),
  displayName: text.nullable(),
  definition: raw,
  body: raw,
  encoding: z.enum(["text", "base64"]),
});
export type HostedEntry = z.infer<typeof hosted>;

const server = z.strictObject({
  ...owned,
  id: text,
  name: text,
  description: text,
  icon: text.nullable(),
  prefixMode: serverPatch.shape.prefixMode.unwrap(),
  failureMode: serverPatch.shape.failureMode.unwrap(),
  /** Slugs. */
  gateways: z.array(text).max(10_000),
  items: z.array(z.strictObject({ gateway: text, kind: itemKind, name: text })).max(10_000),
});
export type ServerEntry = z.infer<typeof server>;

/** Of one upstream. */
export const gatewaySecrets = z.strictObject({
  headers: z.record(z.string(), z.string()).optional(),
  env: z.record(z.string(), z.string()).optional(),
  more: outboundSecrets.optional(),
  /** Of the URL. */
  query: z.string().optional(),
});
export type GatewaySecrets = z.infer<typeof gatewaySecrets>;

const sealed = z.strictObject({
  kdf: z.literal("scrypt"),
  n: z.int().min(1024).max(1_048_576),
  salt: z.string().max(100),
  nonce: z.string().max(100),
  data: z.string(),
});
export type Sealed = z.infer<typeof sealed>;

export const registryExport = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  exportedAt: z.string(),
  exportedBy: z.string(),
  entities: z.strictObject({
    gateways: z.array(gateway),
    resources: z.array(hosted),
    prompts: z.array(hosted),
    servers: z.array(server),
  }),
  secrets: z.strictObject({
    /** Of all upstreams, by slug, under a passphrase. */
    sealed: sealed.optional(),
    /** What there is of secrets, by slug; never a value. */
    names: z.record(z.string(), z.array(z.string())),
  }),
  /** What is not part of a document: declared in a file of the deployment. */
  leftOut: z.array(z.strictObject({ type: z.string(), name: z.string(), reason: z.string() })),
});
export type RegistryExport = z.infer<typeof registryExport>;

export const TYPES = ["gateways", "resources", "prompts", "servers"] as const;
export type EntityType = (typeof TYPES)[number];

export const importRequest = z.strictObject({
  /** The document; read apart, so that its names are not taken for spellings. */
  importData: z.record(z.string(), z.unknown()),
  conflictStrategy: z.enum(["skip", "update", "rename", "fail"]).default("skip"),
  dryRun: z.boolean().default(false),
  /** `all`: one transaction, so that what cannot be stored keeps everything out; `each`: it costs the others nothing. */
  mode: z.enum(["all", "each"]).default("all"),
  passphrase: z.string().max(1024).optional(),
  /** Names by type; a type that is not named is not imported, unless none is. */
  selectedEntities: z.partialRecord(z.enum(TYPES), z.array(z.string()).max(10_000)).optional(),
});

/** As ContextForge names them, without the types that are part of others here. */
export const selectiveExport = z.strictObject({
  /** Names or ids by type. */
  entitySelections: z.partialRecord(z.enum(TYPES), z.array(z.string().max(65_536)).max(10_000)),
  /** Upstreams and hosted items that the chosen servers show. */
  includeDependencies: z.boolean().default(true),
});

export const importedRead = z.object({
  dryRun: z.boolean(),
  conflictStrategy: z.enum(["skip", "update", "rename", "fail"]),
  entities: z.array(
    z.object({
      type: z.enum(TYPES),
      name: z.string(),
      action: z.enum(["create", "update", "rename", "skip", "fail"]),
      /** What it is called here. */
      as: z.string(),
      notes: z.array(z.string()),
    }),
  ),
  counts: z.record(z.string(), z.number()),
});
export type Imported = z.infer<typeof importedRead>;

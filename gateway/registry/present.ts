/** What REST shows of records: camelCase, without any credential. */
import type * as z from "zod";
import type { GatewayRecord, HostedBody, ItemDetail, ServerRecord } from "../store/index.ts";
import type { CircuitState } from "../upstreams/index.ts";
import { isHosted } from "./hosted.ts";
import type { gatewayRead, itemRead, serverRead } from "./schemas.ts";

/** `circuit`: how the worker that answers gets on with it. */
export function showGateway(record: GatewayRecord, circuit: CircuitState = "closed"): z.infer<typeof gatewayRead> {
  const { authHeaders, stdio, revision: _, secrets = {}, outbound = {}, ...shown } = record;
  return {
    ...shown,
    circuit,
    oauthConfig: outbound.oauth ?? null,
    authQueryParamKey: secrets.queryName ?? null,
    caCertificate: outbound.caCertificate ?? null,
    clientCert: outbound.clientCertificate ?? null,
    identityPropagation: outbound.identity ?? null,
    tags: [...record.tags],
    passthroughHeaders: [...record.passthroughHeaders],
    authConfigured:
      Object.keys(authHeaders).length > 0 || outbound.oauth !== undefined || secrets.queryName !== undefined,
    command: stdio?.command ?? null,
    args: [...(stdio?.args ?? [])],
    envNames: Object.keys(stdio?.env ?? {}),
    cwd: stdio?.cwd ?? null,
    isolation: stdio?.isolation ?? record.isolation ?? null,
  };
}

/** Of the upstream's definition: fields that REST names; numbers here are JavaScript's, the MCP side has the exact bytes. */
const DEFINITION_FIELDS = [
  "title",
  "inputSchema",
  "outputSchema",
  "annotations",
  "arguments",
  "uri",
  "uriTemplate",
  "mimeType",
  "size",
];
const FIELD_TYPES: Readonly<Record<string, string>> = {
  title: "string",
  uri: "string",
  uriTemplate: "string",
  mimeType: "string",
  size: "number",
};

function definitionOf(item: ItemDetail): {
  description: string | null;
  ownName: string | undefined;
  fields: Record<string, unknown>;
} {
  const value: unknown = JSON.parse(item.definition);
  const source = new Map(typeof value === "object" && value !== null ? Object.entries(value) : []);
  const fields = Object.fromEntries(
    DEFINITION_FIELDS.flatMap((key) => {
      const field = source.get(key);
      const wanted = FIELD_TYPES[key];
      const fits = field !== undefined && (wanted === undefined || typeof field === wanted);
      return fits ? [[key, field]] : [];
    }),
  );
  const description = source.get("description");
  const name = source.get("name");
  const ownName = typeof name === "string" ? name : undefined;
  return { fields, ownName, description: item.description ?? (typeof description === "string" ? description : null) };
}

function held(item: ItemDetail, body: HostedBody | undefined) {
  if (body === undefined) return {};
  return item.kind === "prompt" ? { template: body.body } : { content: body.body, contentEncoding: body.encoding };
}

/** With what a hosted item holds, when it is given. */
export function showItem(item: ItemDetail, body?: HostedBody): z.infer<typeof itemRead> {
  const { definition: _, kind: __, ...shown } = item;
  const { description, ownName, fields } = definitionOf(item);
  const name = item.customName ?? (isHosted(item) ? ownName : undefined) ?? item.originalName;
  return { ...fields, ...shown, ...held(item, body), tags: [...item.tags], name, description };
}

/** `kinds` tells what each associated item is; those the caller may not see are left out. */
export function showServer(
  record: ServerRecord,
  visible: ReadonlyMap<string, ItemDetail["kind"]>,
  gateways: ReadonlySet<string>,
): z.infer<typeof serverRead> {
  const { gatewayIds, itemIds, ...shown } = record;
  const of = (...kinds: ItemDetail["kind"][]) => itemIds.filter((id) => kinds.some((kind) => visible.get(id) === kind));
  return {
    ...shown,
    tags: [...record.tags],
    associatedGateways: gatewayIds.filter((id) => gateways.has(id)),
    associatedTools: of("tool"),
    associatedResources: of("resource", "resourceTemplate"),
    associatedPrompts: of("prompt"),
  };
}

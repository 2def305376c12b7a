/** REST of tools that are HTTP operations: each belongs to an upstream of transport REST, which is made when there is none. */
import { randomUUID } from "node:crypto";
import type { RestResponse } from "../../contract/http.ts";
import { slugify } from "../mcp/index.ts";
import type { GatewayRecord, ItemDetail } from "../store/index.ts";
import { REST_CAPABILITIES } from "../upstreams/index.ts";
import { changeable, checkOwnership, isChangeable } from "./access.ts";
import { CREDENTIAL_FIELDS } from "./credential-input.ts";
import { gatewayInput, slugProblems } from "./gateway-input.ts";
import { hostedSettings } from "./hosted.ts";
import { readBody } from "./input.ts";
import { ask, draftRecord } from "./inspect.ts";
import { checkOutbound } from "./outbound.ts";
import { showItem } from "./present.ts";
import { invalid } from "./problems.ts";
import { restTool } from "./rest-operation.ts";
import { type ToolCreate, type ToolPatch, toolCreate, toolPatch } from "./rest-schemas.ts";
import type { Call, RegistryParts } from "./types.ts";

const KIND = "tool";
const MAX_SLUG_TRIES = 100;

/** POST /tools. */
export async function createRestTool(parts: RegistryParts, call: Call): Promise<RestResponse> {
  const { store } = parts;
  const input = readBody(call.request, toolCreate, KIND);
  const { base, path } = addressOf(input);
  const settings = { ...hostedSettings(input, undefined, call.principal), description: null };
  checkOwnership(call.principal, settings, KIND, undefined, parts.allowsPublic);
  const named = input.gatewayId == null ? undefined : await restGateway(parts, call, input.gatewayId);
  const known = named ?? (await knownGateway(parts, call, input, base));
  const tool = { ...restTool(input, below(path, base, known)), sourceKey: null };
  const gateway = known ?? (await newGateway(parts, call, input, base));
  try {
    const created = await store.createRestTool(gateway.id, tool, settings, call.principal.id);
    parts.approved?.(call, gateway.id, [tool.name]);
    await parts.changed();
    return { status: 201, headers: { location: `/v1/tools/${created.id}` }, body: showItem(created) };
  } catch (error) {
    if (known === undefined) await store.deleteGateway(gateway.id);
    throw error;
  }
}

/** PUT and PATCH of /tools/{id}; undefined when the tool is none of a REST upstream. */
export async function updateRestTool(
  parts: RegistryParts,
  call: Call,
  item: ItemDetail,
): Promise<RestResponse | undefined> {
  const { store, changed, allowsPublic } = parts;
  const operation = await store.restOperation(item.id);
  if (operation === undefined) return undefined;
  const patch = readBody(call.request, toolPatch, KIND);
  const settings = { ...hostedSettings(patch, item, call.principal), description: null };
  checkOwnership(call.principal, settings, KIND, item, allowsPublic);
  const gateway = await store.getGateway(item.gatewayId);
  const path = newPath(patch, gateway);
  const former = { name: item.originalName, definition: item.definition, operation };
  const tool = restTool(patch, path, former);
  const [stored] = (await store.restTools(item.gatewayId)).filter(({ id }) => id === item.id);
  const row = { ...tool, sourceKey: stored?.sourceKey ?? null };
  const updated = await store.updateRestTool(item.id, row, settings, call.principal.id);
  parts.approved?.(call, item.gatewayId, updated.approved);
  await changed();
  return { status: 200, body: showItem(updated.item) };
}

function newPath(patch: ToolPatch, gateway: GatewayRecord | undefined): string | undefined {
  if (patch.url === undefined && patch.pathTemplate === undefined) return undefined;
  const { base, path } = addressOf(patch);
  return below(path, base, gateway);
}

/** Origin and path template of what the tool is about; `base` undefined when only a path was given. */
function addressOf(input: ToolPatch): { readonly base: string | undefined; readonly path: string } {
  const { url, baseUrl, pathTemplate } = input;
  if (url === undefined && pathTemplate === undefined) {
    throw invalid(KIND, [{ path: "url", allowed: "needed, or pathTemplate with baseUrl or gatewayId" }]);
  }
  const text = url ?? `${(baseUrl ?? "").replace(/\/+$/, "")}${(pathTemplate ?? "").replace(/^\/?/, "/")}`;
  const [, origin, rest = ""] = /^(https?:\/\/[^/?#]+)?(.*)$/is.exec(text) ?? [];
  return { base: origin?.toLowerCase(), path: rest.startsWith("/") ? rest : `/${rest}` };
}

/** The template below the upstream's URL. */
function below(path: string, base: string | undefined, gateway: GatewayRecord | undefined): string {
  if (gateway?.url == null || base === undefined) return path;
  const url = new URL(gateway.url);
  const prefix = url.pathname.replace(/\/+$/, "");
  if (new URL(base).origin !== url.origin || (path !== prefix && !path.startsWith(`${prefix}/`))) {
    throw invalid(KIND, [
      { path: "url", value: base + path, allowed: `below the URL of its upstream, ${gateway.url}` },
    ]);
  }
  return path.slice(prefix.length) || "/";
}

async function restGateway({ store }: RegistryParts, call: Call, id: string): Promise<GatewayRecord> {
  const record = changeable(call.principal, await store.getGateway(id), "gateway", id);
  if (record.transport === "REST") return record;
  throw invalid(KIND, [{ path: "gatewayId", value: id, allowed: "an upstream with transport REST" }]);
}

/** The caller's upstream of this origin. One with credentials is not taken when the tool brings its own. */
async function knownGateway(
  { store }: RegistryParts,
  { principal }: Call,
  input: ToolCreate,
  base: string | undefined,
): Promise<GatewayRecord | undefined> {
  if (base === undefined || CREDENTIAL_FIELDS.some((field) => input[field] !== undefined)) return undefined;
  const origin = new URL(base).origin;
  return (await store.allGateways()).find(
    (one) => one.transport === "REST" && one.url === `${origin}/` && isChangeable(principal, one, "gateway"),
  );
}

async function newGateway(
  parts: RegistryParts,
  { principal }: Call,
  input: ToolCreate,
  base: string | undefined,
): Promise<GatewayRecord> {
  if (base === undefined) throw invalid(KIND, [{ path: "gatewayId", allowed: "needed where only a path is given" }]);
  const others = await parts.store.allGateways();
  const { origin, hostname } = new URL(base);
  const credentials = Object.fromEntries(CREDENTIAL_FIELDS.map((field) => [field, input[field]]));
  const { visibility, teamId, ownerEmail } = input;
  const about = {
    ...credentials,
    name: hostname,
    slug: freeSlug(hostname, others, parts.separator),
    url: `${origin}/`,
    transport: "REST" as const,
    visibility,
    teamId,
    ownerEmail,
  };
  const made = gatewayInput(about, undefined, principal, others, parts.separator);
  await checkOutbound(parts, made);
  const id = randomUUID();
  const { failure } = await ask(parts, draftRecord(made, id));
  return parts.store.createRestGateway(made, [], {
    id,
    capabilities: REST_CAPABILITIES,
    reachable: failure === undefined,
  });
}

/** A slug of this name that nobody has and that overlaps with none. */
export function freeSlug(name: string, others: readonly GatewayRecord[], separator: string): string {
  const stem = slugify(name);
  for (let count = 1; count <= MAX_SLUG_TRIES; count++) {
    const slug = count === 1 ? stem : `${stem.slice(0, 58)}-${count}`;
    const isTaken = others.some((other) => other.slug === slug);
    if (!isTaken && slugProblems(slug, undefined, others, separator).length === 0) return slug;
  }
  throw invalid(KIND, [{ path: "gatewayId", allowed: `needed: too many upstreams are called ${stem}` }]);
}

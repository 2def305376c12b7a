/** REST of imports: what an OpenAPI document would make, an upstream of REST tools made from it, and one brought up to date. */
import { createHash, randomUUID } from "node:crypto";
import { fault } from "../../../contract/errors.ts";
import type { RestResponse } from "../../../contract/http.ts";
import type { Principal } from "../../../contract/principal.ts";
import type { GatewayInput, GatewayRecord, RestImport } from "../../store/index.ts";
import { REST_CAPABILITIES } from "../../upstreams/index.ts";
import { changeable, checkOwnership } from "../access.ts";
import { gatewayInput } from "../gateway-input.ts";
import { flag, readBody, readQuery } from "../input.ts";
import { ask, draftRecord } from "../inspect.ts";
import { checkOutbound } from "../outbound.ts";
import { showGateway } from "../present.ts";
import { importsOf, invalid } from "../problems.ts";
import {
  type ImportOptions,
  importOptions,
  type OpenApiImport,
  openApiImport,
  openApiUpdate,
} from "../rest-schemas.ts";
import { freeSlug } from "../rest-tools.ts";
import type { Call, ImportParts, RegistryParts } from "../types.ts";
import { diffOf } from "./diff.ts";
import { DocumentError } from "./document.ts";
import type { Plan } from "./plan.ts";
import { planWithin } from "./run.ts";
import { type ImportAnswer, previewOf } from "./shown.ts";

const KIND = "OpenAPI import";

type Source = Pick<OpenApiImport, "document" | "url">;
type Read = { readonly plan: Plan; readonly from: RestImport };

export function openApiHandlers(parts: RegistryParts) {
  const { store } = parts;

  async function textOf(input: Source, imports: ImportParts): Promise<string> {
    if ((input.document === undefined) === (input.url === undefined)) {
      throw invalid(KIND, [{ path: "document", allowed: "exactly one of document and url" }]);
    }
    if (input.url !== undefined) return (await imports.fetchDocument(input.url)).toString("utf8");
    const text = typeof input.document === "string" ? input.document : JSON.stringify(input.document);
    if (Buffer.byteLength(text) > imports.maxBytes) {
      throw invalid(KIND, [{ path: "document", allowed: `at most ${imports.maxBytes} bytes (OPENAPI_MAX_BYTES)` }]);
    }
    return text;
  }

  async function read(source: Source, options: ImportOptions): Promise<Read> {
    const imports = importsOf(parts);
    const text = await textOf(source, imports);
    const { serverVariables: variables, ...rest } = options;
    try {
      const plan = await planWithin(text, { ...rest, variables, documentUrl: source.url, maxTools: imports.maxTools });
      const from = {
        url: source.url ?? null,
        options: JSON.stringify(options),
        digest: createHash("sha256").update(text).digest("base64url"),
        title: plan.title,
        version: plan.version,
      };
      return { plan, from };
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      throw invalid(KIND, [{ path: source.url === undefined ? "document" : "url", allowed: error.message }]);
    }
  }

  /** The upstream as it would be stored. */
  async function gatewayOf(input: OpenApiImport, plan: Plan, principal: Principal): Promise<GatewayInput> {
    const { document: _, url: __, baseUrl: ___, server, serverVariables, filters, outputSchemas, ...about } = input;
    if (plan.baseUrl === undefined) throw invalid(KIND, [{ path: "baseUrl", allowed: plan.problem ?? "needed" }]);
    const others = await store.allGateways();
    const name = input.name ?? (plan.title || new URL(plan.baseUrl).hostname);
    const slug = input.slug ?? freeSlug(name, others, parts.separator);
    const patch = { ...about, name, slug, url: plan.baseUrl, transport: "REST" as const };
    const made = gatewayInput(patch, undefined, principal, others, parts.separator);
    checkOwnership(principal, made, "gateway", undefined, parts.allowsPublic);
    await checkOutbound(parts, made);
    const taken = others.find((other) => other.slug === slug);
    if (taken === undefined) return made;
    throw fault("MCPS_ITEM_CONFLICT", { kind: "gateway", field: "slug", value: slug, owner: "another gateway" });
  }

  async function imported(
    call: Call,
  ): Promise<{ record: GatewayRecord; read: Read; result: ReturnType<typeof diffOf> }> {
    const record = changeable(call.principal, await store.getGateway(call.id), "gateway", call.id);
    const former = await store.restImport(record.id);
    if (record.transport !== "REST") {
      throw invalid(KIND, [{ path: "id", value: call.id, allowed: "an upstream with transport REST" }]);
    }
    const input = readBody(call.request, openApiUpdate, KIND);
    const { document, url, ...changes } = input;
    const source = document !== undefined ? { document } : { url: url ?? former?.url ?? undefined };
    const options = { ...importOptions.parse(JSON.parse(former?.options ?? "{}")), ...changes };
    const found = await read(source, { ...options, baseUrl: record.url ?? undefined });
    return { record, read: found, result: diffOf(await store.restTools(record.id), found.plan.tools) };
  }

  return {
    async openapiPreview({ request, principal }: Call): Promise<RestResponse> {
      const input = readBody(request, openApiImport, KIND);
      const { plan } = await read(input, optionsOf(input));
      const gateway = plan.baseUrl === undefined ? undefined : await gatewayOf(input, plan, principal);
      const { diff } = diffOf([], plan.tools);
      return { status: 200, body: previewOf(plan, diff, gateway, undefined) };
    },
    async openapiCreate({ request, principal }: Call): Promise<RestResponse> {
      const deferred = flag(readQuery(request.query, ["deferred"], KIND), "deferred", KIND, false);
      const input = readBody(request, openApiImport, KIND);
      const { plan, from } = await read(input, optionsOf(input));
      const gateway = await gatewayOf(input, plan, principal);
      if (plan.tools.length === 0) {
        throw invalid(KIND, [
          { path: "filters", allowed: `some operation has to be left; ${plan.filteredOut} are filtered out` },
        ]);
      }
      const id = randomUUID();
      const { failure } = await ask(parts, draftRecord(gateway, id));
      if (failure !== undefined && !deferred) throw failure;
      const { diff, changes } = diffOf([], plan.tools);
      const about = { id, capabilities: REST_CAPABILITIES, reachable: failure === undefined, from };
      const created = await store.createRestGateway(gateway, changes.added, about);
      await parts.changed();
      const body: ImportAnswer = { ...previewOf(plan, diff, gateway, id), gateway: showGateway(created) };
      return { status: 201, headers: { location: `/v1/gateways/${id}` }, body };
    },
    async openapiUpdatePreview(call: Call): Promise<RestResponse> {
      const { record, read: found, result } = await imported(call);
      return { status: 200, body: previewOf(found.plan, result.diff, record, record.id) };
    },
    async openapiUpdate(call: Call): Promise<RestResponse> {
      const { record, read: found, result } = await imported(call);
      const { changes } = result;
      const approved = await store.changeRestTools(record.id, changes, call.principal.id, found.from);
      parts.approved?.(call, record.id, approved);
      await parts.changed();
      const after = (await store.getGateway(record.id)) ?? record;
      return {
        status: 200,
        body: { ...previewOf(found.plan, result.diff, record, record.id), gateway: showGateway(after) },
      };
    },
  };
}

function optionsOf({ baseUrl, server, serverVariables, filters, outputSchemas }: OpenApiImport): ImportOptions {
  return { baseUrl, server, serverVariables, filters, outputSchemas };
}

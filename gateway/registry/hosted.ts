/** From what a caller sends about a hosted resource or prompt to what is stored of it; rules across fields. */
import * as z from "zod";
import type { Principal } from "../../contract/principal.ts";
import { type HostedBody, type HostedInput, type ItemDetail, type ItemPatch, LIBRARY } from "../store/index.ts";
import { invalid, type Problem } from "./problems.ts";
import type { ToolPatch } from "./rest-schemas.ts";
import type { PromptPatch, ResourcePatch } from "./schemas.ts";
import { promptPlaceholders, templateProblem } from "./templates.ts";

/** What people set about a hosted item as about any other. */
export type HostedSettings = Required<ItemPatch>;
type HostedPatch = Omit<ResourcePatch | PromptPatch | ToolPatch, "name">;
export type Hosted = { readonly item: ItemDetail; readonly body: HostedBody };
type Checked = { readonly input: HostedInput; readonly problems: readonly Problem[] };

const MAX_CONTENT_BYTES = 1024 * 1024;
const MAX_TEMPLATE_BYTES = 64 * 1024;
/** RFC 3986 §3, and beyond ASCII what an IRI may have (RFC 3987). */
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s{}<>"\\^`|]+$/;

const definitionSchema = z.object({
  name: z.string(),
  title: z.string().optional(),
  description: z.string().optional(),
  mimeType: z.string().optional(),
  arguments: z
    .array(z.object({ name: z.string(), description: z.string().optional(), required: z.boolean().optional() }))
    .optional(),
});

export function isHosted(item: Pick<ItemDetail, "gatewayId">): boolean {
  return item.gatewayId === LIBRARY.id;
}

const formerDefinition = (former: Hosted | undefined) =>
  former === undefined ? undefined : definitionSchema.parse(JSON.parse(former.item.definition));

/** What a patch says, null taking away; what was where it says nothing. */
function kept<T>(given: T | null | undefined, former: T | undefined): T | undefined {
  return given === undefined ? former : (given ?? undefined);
}

/** Throws MCPS_ITEM_INVALID with every problem across fields. */
export function hostedResource(patch: ResourcePatch, former?: Hosted): HostedInput {
  const { input, problems } = checkedResource(patch, former);
  if (problems.length > 0) throw invalid("resource", problems);
  return input;
}

function checkedResource(patch: ResourcePatch, former: Hosted | undefined): Checked {
  const was = formerDefinition(former);
  const isTemplate = former === undefined ? patch.uriTemplate != null : former.item.kind === "resourceTemplate";
  const originalName = (isTemplate ? patch.uriTemplate : patch.uri) ?? former?.item.originalName ?? "";
  const encoding = patch.contentEncoding ?? (patch.content === undefined ? former?.body.encoding : undefined) ?? "text";
  const body = patch.content ?? former?.body.body ?? "";
  const size = Buffer.byteLength(body, encoding === "text" ? "utf8" : "base64");
  const shared = {
    name: patch.name ?? was?.name ?? "",
    title: kept(patch.title, was?.title),
    description: kept(patch.description, was?.description),
    mimeType: kept(patch.mimeType, was?.mimeType) ?? (encoding === "text" ? "text/plain" : "application/octet-stream"),
  };
  const definition = isTemplate ? { uriTemplate: originalName, ...shared } : { uri: originalName, ...shared, size };
  return {
    input: {
      kind: isTemplate ? "resourceTemplate" : "resource",
      originalName,
      definition: JSON.stringify(definition),
      body,
      encoding,
    },
    problems: [
      ...addressProblems(patch, isTemplate, originalName),
      ...contentProblems(patch, isTemplate, { body, encoding }, size),
    ],
  };
}

function addressProblems(patch: ResourcePatch, isTemplate: boolean, address: string): Problem[] {
  const problems: Problem[] = [];
  if (!isTemplate && patch.uriTemplate != null) {
    problems.push({ path: "uriTemplate", allowed: "a resource stays one; create a template beside it" });
  }
  // Bodies of ContextForge carry the template in both fields.
  if (isTemplate && patch.uri !== undefined && patch.uri !== address) {
    problems.push({ path: "uri", value: patch.uri, allowed: "not beside uriTemplate, or the same text" });
  }
  if (isTemplate) {
    const wrong = templateProblem(address);
    if (wrong !== undefined) problems.push({ path: "uriTemplate", value: address, allowed: wrong });
  } else if (address === "") problems.push({ path: "uri", allowed: "needed, or uriTemplate" });
  else if (!URI.test(address)) {
    problems.push({
      path: "uri",
      value: address,
      allowed: "has to be an absolute URI; with {name} in it a uriTemplate",
    });
  }
  return problems;
}

function contentProblems(
  patch: ResourcePatch,
  isTemplate: boolean,
  { body, encoding }: HostedBody,
  size: number,
): Problem[] {
  const problems: Problem[] = [];
  if (patch.contentEncoding !== undefined && patch.content === undefined) {
    problems.push({ path: "contentEncoding", allowed: "only together with content" });
  }
  if (isTemplate && encoding === "base64") {
    problems.push({ path: "contentEncoding", value: encoding, allowed: "text, because variables are filled into it" });
  }
  if (encoding === "base64" && Buffer.from(body, "base64").toString("base64") !== body) {
    problems.push({ path: "content", allowed: "has to be base64 with padding (RFC 4648 §4)" });
  }
  if (size > MAX_CONTENT_BYTES) problems.push({ path: "content", allowed: `at most ${MAX_CONTENT_BYTES} bytes` });
  return problems;
}

/** Throws MCPS_ITEM_INVALID with every problem across fields. */
export function hostedPrompt(patch: PromptPatch, former?: Hosted): HostedInput {
  const was = formerDefinition(former);
  const originalName = patch.name ?? former?.item.originalName ?? "";
  const body = patch.template ?? former?.body.body ?? "";
  const given = patch.arguments?.map(({ name, description, required }) => ({
    name,
    ...(description == null ? {} : { description }),
    ...(required == null ? {} : { required }),
  }));
  const declared = given ?? was?.arguments ?? [];
  const problems = promptProblems(
    body,
    declared.map(({ name }) => name),
  );
  if (problems.length > 0) throw invalid("prompt", problems);
  const definition = {
    name: originalName,
    title: kept(patch.title, was?.title),
    description: kept(patch.description, was?.description),
    arguments: declared,
  };
  return { kind: "prompt", originalName, definition: JSON.stringify(definition), body, encoding: "text" };
}

function promptProblems(template: string, names: readonly string[]): Problem[] {
  const problems: Problem[] = [];
  if (Buffer.byteLength(template) > MAX_TEMPLATE_BYTES) {
    problems.push({ path: "template", allowed: `at most ${MAX_TEMPLATE_BYTES} bytes` });
  }
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) < index)
      problems.push({ path: `arguments.${index}.name`, value: name, allowed: "given twice" });
  }
  const allowed = names.length === 0 ? "there are no arguments" : `one of the arguments: ${names.join(", ")}`;
  for (const name of promptPlaceholders(template)
    .filter((one) => !names.includes(one))
    .slice(0, 50)) {
    problems.push({
      path: "template",
      value: `{{ ${name.slice(0, 100)} }}`,
      allowed: `no placeholder {{ ${name.slice(0, 100)} }}; ${allowed}`,
    });
  }
  return problems;
}

/** The description of a hosted one is part of its definition. */
export function hostedSettings(
  patch: HostedPatch,
  former: ItemDetail | undefined,
  principal: Principal,
): HostedSettings {
  const { customName, displayName, tags, visibility, teamId, ownerEmail, enabled } = patch;
  return {
    description: null,
    customName: customName === undefined ? (former?.customName ?? null) : customName,
    displayName: displayName === undefined ? (former?.displayName ?? null) : displayName,
    tags: tags ?? former?.tags ?? [],
    visibility: visibility ?? former?.visibility ?? "public",
    teamId: teamId === undefined ? (former?.teamId ?? null) : teamId,
    ownerEmail: ownerEmail === undefined ? (former === undefined ? principal.id : former.ownerEmail) : ownerEmail,
    enabled: enabled ?? former?.enabled ?? true,
  };
}

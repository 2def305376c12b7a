/** From what a caller sends about a REST tool to the operation and the definition that are stored of it. */
import {
  compileRestTool,
  operationProblems,
  placeholders,
  type RestBody,
  type RestMethod,
  type RestOperation,
  type RestParameter,
  restOperation,
} from "../upstreams/index.ts";
import { invalid, type Problem } from "./problems.ts";
import { annotationsOf, definitionOf, outputOf } from "./rest-definition.ts";
import type { ToolPatch } from "./rest-schemas.ts";

export type RestToolInput = { readonly name: string; readonly definition: string; readonly operation: string };
/** The stored one, when it changes. */
export type FormerRestTool = RestToolInput;

const CREDENTIAL = /^(?:proxy-)?authorization$|^cookie$|token|secret|password|api-?key/i;
const BODYLESS: ReadonlySet<RestMethod> = new Set(["GET", "HEAD", "OPTIONS", "DELETE"]);
const BODIES: Readonly<Record<string, RestBody["kind"]>> = {
  "application/x-www-form-urlencoded": "form",
  "multipart/form-data": "multipart",
};

type Place = { readonly path: string; readonly query: string | undefined; readonly inQuery: readonly RestParameter[] };

/** Path and query of a template; a query value that is `{name}` alone is a parameter. */
function placeOf(template: string): Place {
  const end = template.indexOf("?");
  const path = end < 0 ? template : template.slice(0, end);
  const fixed: string[] = [];
  const inQuery: RestParameter[] = [];
  for (const pair of end < 0 ? [] : template.slice(end + 1).split("&")) {
    const [, name = "", argument = ""] = /^([^={}]+)=\{([^{}]+)\}$/.exec(pair) ?? [];
    if (argument !== "") inQuery.push({ ...inPlace("query", argument, name) });
    else if (pair !== "") fixed.push(pair);
  }
  return { path: path === "" ? "/" : path, query: fixed.length === 0 ? undefined : fixed.join("&"), inQuery };
}

function inPlace(where: RestParameter["in"], argument: string, name: string): RestParameter {
  const style = where === "path" || where === "header" ? "simple" : "form";
  return { argument, in: where, name, style, explode: style === "form" };
}

function headersOf(headers: Readonly<Record<string, string>>, problems: Problem[]) {
  const kept: Record<string, string> = {};
  let type: string | undefined;
  let accept: string | undefined;
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (lower === "content-type") type = value;
    else if (lower === "accept") accept = value;
    else if (CREDENTIAL.test(lower)) {
      problems.push({ path: `headers.${name}`, allowed: "credentials belong to the upstream: give it an authType" });
    } else kept[lower] = value;
  }
  return { kept, type, accept };
}

/** `path` is the template below the upstream's URL. Throws MCPS_ITEM_INVALID with every problem. */
export function restTool(patch: ToolPatch, path: string | undefined, former?: FormerRestTool): RestToolInput {
  const problems: Problem[] = [];
  const was = former === undefined ? undefined : restOperation.parse(JSON.parse(former.operation));
  const shown = former === undefined ? {} : shownOf(former.definition);
  const operation = operationOf(patch, path, was, problems);
  const name = patch.name ?? former?.name ?? "";
  const input = patch.inputSchema ?? shown.inputSchema ?? derivedSchema(operation);
  const given = patch.outputSchema === undefined ? undefined : patch.outputSchema;
  const output = given == null ? undefined : outputOf(given);
  const outputSchema = given === undefined ? shown.outputSchema : output?.schema;
  const wrapsResult = given === undefined ? was?.wrapsResult === true : output?.wraps === true;
  const method = operation.method;
  const annotations = patch.annotations ?? (patch.requestType === undefined ? shown.annotations : undefined);
  const text = { name, title: kept(patch.title, shown.title), description: kept(patch.description, shown.description) };
  const tool = {
    name,
    definition: definitionOf(text, input, outputSchema, annotations ?? annotationsOf(method)),
    operation: JSON.stringify(wrapsResult ? { ...operation, wrapsResult } : operation),
  };
  problems.push(...operationProblems(operation).map((allowed) => ({ path: "url", allowed })));
  if (problems.length === 0) problems.push(...schemaProblems(tool));
  if (problems.length > 0) throw invalid("tool", problems);
  return tool;
}

function kept<T>(given: T | null | undefined, former: T | undefined): T | undefined {
  return given === undefined ? former : (given ?? undefined);
}

type Shown = {
  readonly title?: string;
  readonly description?: string;
  readonly inputSchema?: object;
  readonly outputSchema?: object;
  readonly annotations?: Readonly<Record<string, unknown>>;
};

function shownOf(definition: string): Shown {
  // It was written by definitionOf.
  return JSON.parse(definition) as Shown;
}

function operationOf(
  patch: ToolPatch,
  path: string | undefined,
  was: RestOperation | undefined,
  problems: Problem[],
): RestOperation {
  const place = path === undefined ? undefined : placeOf(path);
  const method = patch.requestType ?? was?.method ?? "GET";
  const { kept: headers, type, accept } = headersOf(patch.headers ?? {}, problems);
  const own = was === undefined || place !== undefined ? parametersOf(place ?? placeOf("/"), patch) : was.parameters;
  const { wrapsResult: _, body: formerBody, restInQuery: __, ...former } = was ?? { path: "/" };
  const takesBody = !BODYLESS.has(method);
  const mediaType = type ?? formerBody?.mediaType ?? "application/json";
  const plainType = mediaType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  const kind = BODIES[plainType] ?? "json";
  return {
    ...former,
    method,
    path: place?.path ?? was?.path ?? "/",
    ...(place === undefined ? {} : { query: place.query }),
    parameters: [...own],
    ...(takesBody ? { body: formerBody ?? { kind, mediaType: kind === "json" ? mediaType : plainType } } : {}),
    ...(takesBody ? {} : { restInQuery: true }),
    ...(patch.headers === undefined ? {} : { headers, accept }),
    ...(patch.timeoutMs === undefined ? {} : { timeoutMs: patch.timeoutMs ?? undefined }),
  };
}

function parametersOf(place: Place, patch: ToolPatch): RestParameter[] {
  const mapped = (mapping: ToolPatch["queryMapping"], where: RestParameter["in"]) =>
    Object.entries(mapping ?? {}).map(([argument, name]) => inPlace(where, argument, name));
  return [
    ...placeholders(place.path).map((name) => inPlace("path", name, name)),
    ...place.inQuery,
    ...mapped(patch.queryMapping, "query"),
    ...mapped(patch.headerMapping, "header"),
  ];
}

/** What can be said of the arguments when nobody described them. */
function derivedSchema({ parameters }: RestOperation): object {
  const scalar = { type: ["string", "number", "boolean"] };
  const names = [...new Set(parameters.map(({ argument }) => argument))];
  const needed = parameters.filter((one) => one.in === "path").map(({ argument }) => argument);
  return {
    type: "object",
    properties: Object.fromEntries(names.map((argument) => [argument, scalar])),
    ...(needed.length === 0 ? {} : { required: needed }),
  };
}

function schemaProblems(tool: RestToolInput): Problem[] {
  try {
    compileRestTool(tool);
    const { inputSchema } = shownOf(tool.definition);
    const isObject = inputSchema !== undefined && "type" in inputSchema && inputSchema.type === "object";
    return isObject ? [] : [{ path: "inputSchema.type", allowed: "object" }];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ path: "inputSchema, outputSchema", allowed: `valid JSON Schemas: ${reason.slice(0, 300)}` }];
  }
}

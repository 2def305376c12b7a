/** Which tool to call, and with which arguments: by default one that is cheap and changes nothing. */
import { nearestOf } from "../../contract/nearest.ts";
import { isObject } from "./answers.ts";
import { LoadFailure } from "./failure.ts";

export type ToolCall = { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> };
/** What the command line says about it. */
export type WantedTool = { readonly name?: string; readonly arguments?: Readonly<Record<string, unknown>> };
export type ListedTool = { readonly name: string; readonly schema: Readonly<Record<string, unknown>> };

/** Tools of this project's example server and of the reference servers that cost little; behind a federation they have a prefix. */
const CHEAP = [/(?:^|__)echo$/, /(?:^|__)convert_time$/];
const TIMES = { source_timezone: "Europe/Berlin", target_timezone: "Asia/Tokyo", time: "09:00" };

/** The tools in a tools/list result; what is not a tool is left out. */
export function toolsOf(result: Readonly<Record<string, unknown>>): ListedTool[] {
  const listed: readonly unknown[] = Array.isArray(result.tools) ? result.tools : [];
  return listed.flatMap((tool) =>
    isObject(tool) && typeof tool.name === "string"
      ? [{ name: tool.name, schema: isObject(tool.inputSchema) ? tool.inputSchema : {} }]
      : [],
  );
}

/** Throws LoadFailure when the wanted tool is not there, or none was wanted and none is known to be harmless. */
export function chooseTool(tools: readonly ListedTool[], wanted: WantedTool): ToolCall {
  const found =
    wanted.name === undefined
      ? CHEAP.flatMap((pattern) => tools.filter(({ name }) => pattern.test(name)))[0]
      : tools.find(({ name }) => name === wanted.name);
  if (found === undefined) throw new LoadFailure(missing(tools, wanted.name));
  return { name: found.name, arguments: wanted.arguments ?? argumentsOf(found) };
}

function missing(tools: readonly ListedTool[], name: string | undefined): string {
  if (name === undefined)
    return `none of the ${tools.length} tools is known to be cheap and harmless (echo, convert_time): name one with --tool and --arguments`;
  const nearest = nearestOf(
    name,
    tools.map((tool) => tool.name),
  );
  return `there is no tool ${JSON.stringify(name)}${nearest === undefined ? "" : `; the nearest is ${nearest}`}`;
}

/** A value for each required property, the plainest that its schema allows. */
function argumentsOf({ name, schema }: ListedTool): Readonly<Record<string, unknown>> {
  if (name.endsWith("convert_time")) return TIMES;
  const properties = isObject(schema.properties) ? schema.properties : {};
  const required: readonly unknown[] = Array.isArray(schema.required) ? schema.required : [];
  return Object.fromEntries(
    required.flatMap((key) => (typeof key === "string" ? [[key, plainest(properties[key])] as const] : [])),
  );
}

function plainest(schema: unknown): unknown {
  if (!isObject(schema)) return "load";
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  switch (schema.type) {
    case "number":
    case "integer":
      return typeof schema.minimum === "number" ? schema.minimum : 1;
    case "boolean":
      return false;
    case "array":
      return [];
    case "object":
      return {};
    default:
      return "load";
  }
}

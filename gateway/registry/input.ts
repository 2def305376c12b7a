/** From bytes and query strings to typed input. */
import * as z from "zod";
import { fault } from "../../contract/errors.ts";
import type { GatewayRequest } from "../../contract/http.ts";
import { decodeCursor } from "../mcp/index.ts";
import type { ListQuery } from "../store/index.ts";
import { invalid, nulProblems, type Problem, problemsOf } from "./problems.ts";

const DEFAULT_PAGE = 50;
const MAX_PAGE = 500;
/** Bodies of ContextForge wrap the resource in its name: {"tool": {…}, "team_id": …}. */
const WRAPPERS = ["gateway", "server", "tool", "resource", "prompt"];

const camel = (key: string) => key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Objects whose members have names of ours; elsewhere they are the caller's own (environment variables). */
const NESTED: ReadonlySet<string> = new Set(["oauthConfig", "identityPropagation"]);

function camelInside(key: string, value: unknown): unknown {
  if (!NESTED.has(key) || typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [camel(name), one]));
}

function unwrapped(value: object): Record<string, unknown> {
  const entries = Object.entries(value);
  const inner = entries.find(([key, one]) => WRAPPERS.includes(key) && typeof one === "object" && one !== null);
  if (inner === undefined) return Object.fromEntries(entries);
  const rest = entries.filter(([key, one]) => key !== inner[0] && one !== null);
  return { ...Object.fromEntries(Object.entries(Object(inner[1]))), ...Object.fromEntries(rest) };
}

/** The body as `schema` reads it; throws MCPS_PARSE, or MCPS_ITEM_INVALID with every problem. */
export function readBody<Schema extends z.ZodObject>(
  request: GatewayRequest,
  schema: Schema,
  kind: string,
): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(request.body.toString("utf8"));
  } catch (error) {
    throw fault("MCPS_PARSE", { reason: error instanceof Error ? error.message : "not JSON" });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(kind, [{ path: "", allowed: "the body has to be a JSON object" }]);
  }
  const given = Object.entries(unwrapped(value)).map(
    ([key, one]) => [camel(key), camelInside(camel(key), one)] as const,
  );
  const twice = given.filter(([key], index) => given.findIndex(([other]) => other === key) !== index);
  const problems: Problem[] = twice.map(([key]) => ({ path: key, allowed: "given twice, in two spellings" }));
  const input = Object.fromEntries(given);
  const parsed = schema.safeParse(input);
  if (!parsed.success) problems.push(...problemsOf(parsed.error, input, Object.keys(schema.shape)));
  else problems.push(...nulProblems(parsed.data));
  if (problems.length > 0 || !parsed.success) throw invalid(kind, problems);
  return parsed.data;
}

export type QueryValues = ReadonlyMap<string, string>;

/** The query's values under camelCase names; unknown ones are refused. Repeated `tags` are joined. */
export function readQuery(query: string, known: readonly string[], kind: string): QueryValues {
  const values = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [raw, value] of new URLSearchParams(query)) {
    const key = camel(raw);
    if (!known.includes(key)) problems.push({ path: `?${raw.slice(0, 100)}`, allowed: known.join(", ") });
    if (value.includes("\0")) problems.push({ path: `?${key.slice(0, 100)}`, allowed: "no NUL character" });
    const former = values.get(key);
    values.set(key, former === undefined || key !== "tags" ? value : `${former},${value}`);
  }
  if (problems.length > 0) throw invalid(kind, problems);
  return values;
}

export function flag(values: QueryValues, key: string, kind: string, otherwise: boolean): boolean {
  const value = values.get(key);
  if (value === undefined) return otherwise;
  if (/^(true|1)$/i.test(value)) return true;
  if (/^(false|0)$/i.test(value)) return false;
  throw invalid(kind, [{ path: `?${key}`, value: value.slice(0, 100), allowed: "true, false" }]);
}

const LIST_KEYS = ["limit", "cursor", "includePagination", "includeInactive", "tags", "visibility", "teamId"];
const listSchema = z.object({
  limit: z.coerce.number().int().min(0).max(MAX_PAGE).optional(),
  visibility: z.enum(["private", "team", "public"]).optional(),
});

export type ListInput = {
  readonly query: ListQuery;
  readonly paginated: boolean;
  /** What a cursor of this list is bound to: the list and its filters. */
  readonly scope: string;
};

/** `scope` names the list; a cursor made for other filters or another list is refused (MCPS_CURSOR). */
export function readListQuery(text: string, scope: string, kind: string, more: readonly string[] = []): ListInput {
  const values = readQuery(text, [...LIST_KEYS, ...more], kind);
  const parsed = listSchema.safeParse(Object.fromEntries(values));
  if (!parsed.success) throw invalid(kind, problemsOf(parsed.error, Object.fromEntries(values), LIST_KEYS));
  const filters = [...values].filter(([key]) => !["limit", "cursor", "includePagination"].includes(key)).sort();
  const bound = `${scope}?${new URLSearchParams(filters)}`;
  const { limit = DEFAULT_PAGE, visibility } = parsed.data;
  const tags = values
    .get("tags")
    ?.split(",")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "");
  const teamId = values.get("teamId");
  const gatewayId = values.get("gatewayId");
  return {
    paginated: flag(values, "includePagination", kind, false),
    scope: bound,
    query: {
      limit,
      after: readCursor(bound, values.get("cursor")),
      includeInactive: flag(values, "includeInactive", kind, false),
      ...(tags === undefined || tags.length === 0 ? {} : { tags }),
      ...(visibility === undefined ? {} : { visibility }),
      ...(teamId === undefined ? {} : { teamId }),
      ...(gatewayId === undefined ? {} : { gatewayId }),
    },
  };
}

function readCursor(scope: string, cursor: string | undefined): number {
  if (cursor === undefined || cursor === "") return 0;
  const position = Number(decodeCursor(scope, cursor)[0]?.cursor);
  if (!Number.isSafeInteger(position) || position < 0)
    throw fault("MCPS_CURSOR", { reason: "not one of this gateway" });
  return position;
}

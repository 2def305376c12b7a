/** A tool's arguments as an HTTP request of its operation. */
import { isObject, members, type Span } from "../../mcp/index.ts";
import { type Arguments, bodyOf } from "./body.ts";
import { isDots, type RestMethod, type RestOperation, type RestParameter } from "./operation.ts";
import { ArgumentError, cookieText, type Given, headerText, isNull, pathText, queryPairs } from "./serialize.ts";

export type RestRequest = {
  readonly method: RestMethod;
  /** With the query. */
  readonly path: string;
  /** Names and values in turn, without those of the upstream. */
  readonly headers: readonly string[];
  /** Pairs for the Cookie header. */
  readonly cookies: readonly string[];
  readonly body: Buffer | null;
};

/** The path of an upstream's URL, without its query and a slash at its end. */
export function basePath(path: string): string {
  const end = path.indexOf("?");
  return (end < 0 ? path : path.slice(0, end)).replace(/\/+$/, "");
}

/** `own` is the path of an upstream's URL, whose query, a credential may be in it, goes with every request and before any argument. */
export function withOwnQuery(path: string, own: string): string {
  const end = own.indexOf("?");
  if (end < 0) return path;
  const names = new Set(new URLSearchParams(own.slice(end)).keys());
  const begin = path.indexOf("?");
  const plain = begin < 0 ? path : path.slice(0, begin);
  const given = begin < 0 ? [] : path.slice(begin + 1).split("&");
  const kept = given.filter((pair) => [...new URLSearchParams(pair).keys()].every((name) => !names.has(name)));
  return [`${plain}${own.slice(end)}`, ...kept].join("&");
}

/**
 * `base` is the path of the upstream's URL without a slash at its end; `span` the arguments object in `bytes`, absent for none.
 * Throws ArgumentError for a value that cannot go where it should.
 */
export function requestOf(operation: RestOperation, base: string, bytes: Buffer, span: Span | undefined): RestRequest {
  const all = new Map<string, Span>();
  if (span !== undefined) for (const member of members(bytes, span)) all.set(member.key, member.value);
  const rest: Map<string, Span> = new Map(all);
  const headers: string[] = [];
  const query: string[] = operation.query === undefined ? [] : [operation.query];
  const cookies: string[] = [];
  const inPath = new Map<string, string>();
  for (const parameter of operation.parameters) {
    const value = all.get(parameter.argument);
    rest.delete(parameter.argument);
    if (value === undefined) continue;
    const given = { argument: parameter.argument, bytes, span: value };
    if (isNull(given) && parameter.in !== "path") continue;
    place(parameter, given, operation, { headers, query, cookies, inPath });
  }
  if (operation.body?.argument !== undefined) rest.delete(operation.body.argument);
  const path = base + filled(operation, inPath);
  const body = operation.body === undefined ? undefined : bodyOf(operation.body, bytes, all, rest);
  if (operation.restInQuery === true) query.push(...restPairs(bytes, rest));
  for (const [name, value] of Object.entries(operation.headers ?? {})) headers.push(name, value);
  headers.push("accept", operation.accept ?? "application/json, */*;q=0.8", "accept-encoding", "identity");
  if (body !== undefined) headers.push("content-type", body.type);
  return {
    method: operation.method,
    path: query.length === 0 ? path : `${path}?${query.join("&")}`,
    headers,
    cookies,
    body: body?.bytes ?? null,
  };
}

type Places = { headers: string[]; query: string[]; cookies: string[]; inPath: Map<string, string> };

function place(parameter: RestParameter, given: Given, operation: RestOperation, into: Places): void {
  const { name, style, explode, allowReserved } = parameter;
  if (parameter.in === "path") into.inPath.set(name, pathText(given, name, style, explode));
  else if (parameter.in === "header") into.headers.push(name.toLowerCase(), headerText(given, style, explode));
  else {
    if (explode && style === "form") checkSpread(parameter, given, operation);
    if (parameter.in === "cookie") into.cookies.push(cookieText(given, name, style, explode));
    else into.query.push(...queryPairs(given, name, style, explode, allowReserved));
  }
}

/** Members of an object that is spread out may not pass for another parameter. */
function checkSpread(parameter: RestParameter, { argument, bytes, span }: Given, operation: RestOperation): void {
  if (!isObject(bytes, span)) return;
  for (const { key } of members(bytes, span)) {
    const other = operation.parameters.find((one) => one !== parameter && one.in === parameter.in && one.name === key);
    const isFixed = operation.query !== undefined && new URLSearchParams(operation.query).has(key);
    if (other !== undefined || isFixed) {
      throw new ArgumentError(argument, `may have no member ${key}, which is a parameter of its own`);
    }
  }
}

function restPairs(bytes: Buffer, rest: Arguments): string[] {
  return [...rest].flatMap(([argument, span]) => {
    const given = { argument, bytes, span };
    if (!argument.isWellFormed()) throw new ArgumentError(argument, "is no name of a parameter");
    return isNull(given) ? [] : queryPairs(given, argument, isObject(bytes, span) ? "json" : "form", true);
  });
}

/** The template with its values. No value opens or leaves a segment: servers and proxies may decode before they resolve dots. */
function filled({ path, parameters }: RestOperation, values: ReadonlyMap<string, string>): string {
  const argumentOf = (name: string) =>
    parameters.find((one) => one.in === "path" && one.name === name)?.argument ?? name;
  return path
    .split("/")
    .map((segment) => {
      let last = "";
      const text = segment.replaceAll(/\{([^{}/]+)\}/g, (_, name: string) => {
        last = argumentOf(name);
        const value = values.get(name);
        if (value === undefined) throw new ArgumentError(last, "is needed in the path");
        return value;
      });
      if (last === "") return text;
      if (text === "") throw new ArgumentError(last, "may not be empty: it is a segment of the path");
      if (text.split(/%2f|%5c/i).some(isDots)) throw new ArgumentError(last, "may not be a . or .. segment of a path");
      return text;
    })
    .join("/");
}

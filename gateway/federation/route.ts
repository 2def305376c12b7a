/** Routing: which upstream a request is for, and what the thing it names is called there. */
import { type Fault, fault } from "../../contract/errors.ts";
import {
  type Envelope,
  memberAt,
  originalName,
  prefixName,
  prefixUri,
  setMember,
  splice,
  splitName,
  splitUri,
  stringAt,
} from "../mcp/index.ts";
import type { ItemKind } from "../store/index.ts";
import type { Caller, Route, View, ViewUpstream } from "./types.ts";
import { isShown } from "./view.ts";

/** Methods that name one thing, with where the name stands. */
const NAMED: Readonly<Record<string, { readonly key: "name" | "uri"; readonly kind: ItemKind }>> = {
  "tools/call": { key: "name", kind: "tool" },
  "prompts/get": { key: "name", kind: "prompt" },
  "resources/read": { key: "uri", kind: "resource" },
  "resources/subscribe": { key: "uri", kind: "resource" },
  "resources/unsubscribe": { key: "uri", kind: "resource" },
};

/** Routes that a view remembers; a name that no upstream lists may lead somewhere too, so there is no end of them. */
const MAX_REMEMBERED = 10_000;
const MAX_REMEMBERED_CHARS = 256;

export function namesOneThing(method: string): boolean {
  return Object.hasOwn(NAMED, method) || method === "completion/complete";
}

/** Throws MCPS_PARAMS, MCPS_TOOL_UNKNOWN, MCPS_PROMPT_UNKNOWN or a resource fault. */
export function routeOf(view: View, caller: Caller, separator: string, body: Buffer, envelope: Envelope): Route {
  const { method } = envelope;
  if (method === "completion/complete") return completionRoute(view, caller, separator, body, envelope);
  const named = NAMED[method];
  if (named === undefined) throw fault("MCPS_METHOD", { method });
  const value = stringAt(body, envelope.routing[named.key]);
  if (value === undefined) throw fault("MCPS_PARAMS", { method, reason: `params.${named.key} has to be a string` });
  // A tool and a prompt may have the same name and stand in different places.
  const remembered = named.kind === "prompt" ? undefined : view.routes[named.key];
  const known = remembered?.get(value);
  if (known !== undefined) return known;
  const found = resolve(view, separator, named.kind, value);
  if (found === undefined) throw unknownItem(named.kind, value, caller);
  const { upstream, name } = found;
  const target = { key: named.key, value: name, changed: name !== value, text: JSON.stringify(name) };
  const route = { upstream, target, ref: undefined };
  if (remembered !== undefined && value.length <= MAX_REMEMBERED_CHARS) {
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(value, route);
  }
  return route;
}

function completionRoute(view: View, caller: Caller, separator: string, body: Buffer, envelope: Envelope): Route {
  const ref = memberAt(body, envelope.params, "ref");
  const type = stringAt(body, memberAt(body, ref, "type"));
  const spec =
    type === "ref/prompt" ? NAMED["prompts/get"] : type === "ref/resource" ? NAMED["resources/read"] : undefined;
  const value = spec === undefined ? undefined : stringAt(body, memberAt(body, ref, spec.key));
  if (spec === undefined || value === undefined || ref === undefined) {
    throw fault("MCPS_PARAMS", {
      method: envelope.method,
      reason: "params.ref has to be a ref/prompt with a name or a ref/resource with a uri",
    });
  }
  const found = resolve(view, separator, spec.kind, value);
  if (found === undefined) throw unknownItem(spec.kind, value, caller);
  const bytes = body.subarray(ref.start, ref.end);
  const rewritten = splice(bytes, [
    setMember(bytes, { start: 0, end: bytes.length }, spec.key, JSON.stringify(found.name)),
  ]);
  return { upstream: found.upstream, target: undefined, ref: found.name === value ? undefined : rewritten.toString() };
}

function unknownItem(kind: ItemKind, value: string, caller: Caller): Fault {
  if (kind === "tool") return fault("MCPS_TOOL_UNKNOWN", { name: value });
  if (kind === "prompt") return fault("MCPS_PROMPT_UNKNOWN", { name: value });
  return caller.era === "modern"
    ? fault("MCPS_RESOURCE_UNKNOWN", { uri: value }, { uri: value })
    : fault("MCPS_LEGACY_RESOURCE_UNKNOWN", { uri: value }, { uri: value });
}

type Resolved = { readonly upstream: ViewUpstream; readonly name: string };

/** The upstream and its own name for a listed name or URI; undefined when the view shows no such thing. */
export function resolve(view: View, separator: string, kind: ItemKind, listed: string): Resolved | undefined {
  if (view.transparent !== undefined) return { upstream: view.transparent, name: listed };
  const isUri = kind === "resource" || kind === "resourceTemplate";
  const found = view.prefixed
    ? isUri
      ? byUriPrefix(view, listed)
      : byNamePrefix(view, separator, kind, listed)
    : byName(view, kind, listed);
  if (found === undefined) return undefined;
  return shown(found.upstream, kind, found.name) ? found : undefined;
}

/**
 * A resource may be read through a shown template, so with a chosen set of items both kinds count. What nobody lists as a
 * resource and only a hidden template can have named is hidden with that template.
 */
function shown(upstream: ViewUpstream, kind: ItemKind, name: string): boolean {
  if (kind !== "resource") return isShown(upstream, kind, name);
  if (upstream.hidden.resource.has(name)) return false;
  if (upstream.allowed.resource?.has(name) || upstream.known.resource.has(name)) {
    if (isShown(upstream, "resource", name)) return true;
  }
  if (isExpansion(upstream, name)) return true;
  if (upstream.allowed.resource !== undefined) return false;
  return !expandsTo(upstream.hidden.resourceTemplate, name);
}

/** Does a template that the view shows stand behind this URI? Also a template itself: completions name it by its text. */
function isExpansion(upstream: ViewUpstream, uri: string): boolean {
  const { allowed, hidden, known } = upstream;
  return expandsTo(allowed.resourceTemplate ?? known.resourceTemplate, uri, hidden.resourceTemplate);
}

function expandsTo(templates: ReadonlySet<string>, uri: string, except?: ReadonlySet<string>): boolean {
  for (const template of templates)
    if (except?.has(template) !== true && (template === uri || couldExpandTo(template, uri))) return true;
  return false;
}

/** Could this URI have come from this template (RFC 6570)? Literals have to match, expressions match anything. */
function couldExpandTo(template: string, uri: string): boolean {
  const literals = template.split(/\{[^}]*\}/);
  const [first = "", ...rest] = literals;
  if (!uri.startsWith(first)) return false;
  const last = rest.at(-1);
  if (last === undefined) return uri === first;
  let at = first.length;
  for (const literal of rest.slice(0, -1)) {
    const next = uri.indexOf(literal, at);
    if (next < 0) return false;
    at = next + literal.length;
  }
  return uri.length - last.length >= at && uri.endsWith(last);
}

function byUriPrefix(view: View, listed: string): Resolved | undefined {
  const split = splitUri(listed);
  const upstream = split === undefined ? undefined : view.bySlug.get(split.slug);
  return split === undefined || upstream === undefined ? undefined : { upstream, name: split.uri };
}

function byNamePrefix(view: View, separator: string, kind: ItemKind, listed: string): Resolved | undefined {
  const split = splitName(listed, separator, view.bySlug);
  const upstream = split === undefined ? undefined : view.bySlug.get(split.slug);
  if (split === undefined || upstream === undefined) return undefined;
  for (const [original, custom] of upstream.renamed[kind]) {
    if (prefixName(split.slug, separator, custom) === listed) return { upstream, name: original };
  }
  const name = originalName(split.slug, separator, split.rest, upstream.known[kind]);
  return name === undefined || upstream.renamed[kind].has(name) ? undefined : { upstream, name };
}

/** Without prefixes: a chosen name, then the upstream that is known to list it, then the only upstream there is. */
function byName(view: View, kind: ItemKind, listed: string): Resolved | undefined {
  for (const upstream of view.upstreams) {
    for (const [original, custom] of upstream.renamed[kind])
      if (custom === listed && shown(upstream, kind, original)) return { upstream, name: original };
  }
  const own = view.upstreams.filter((upstream) => !upstream.renamed[kind].has(listed));
  // Of several the first that shows it: a hidden namesake stands in nobody's way.
  const owner =
    own.find((upstream) => upstream.known[kind].has(listed) && shown(upstream, kind, listed)) ??
    (kind === "resource" ? own.find((upstream) => isExpansion(upstream, listed)) : undefined);
  if (owner !== undefined) return { upstream: owner, name: listed };
  const [only] = view.upstreams;
  return view.upstreams.length === 1 && only !== undefined && !only.renamed[kind].has(listed)
    ? { upstream: only, name: listed }
    : undefined;
}

/** The name under which an upstream's item is listed in this view. */
export function listedName(
  view: View,
  separator: string,
  upstream: ViewUpstream,
  kind: ItemKind,
  name: string,
): string {
  const chosen = upstream.renamed[kind].get(name) ?? name;
  if (!view.prefixed) return chosen;
  return kind === "tool" || kind === "prompt"
    ? prefixName(upstream.record.slug, separator, chosen)
    : prefixUri(upstream.record.slug, chosen);
}

/** The upstream that alone has a tool of this bare name: the old `/rpc` form in which the method is a tool's name. */
export function resolveBareTool(view: View, separator: string, name: string): string | undefined {
  if (resolve(view, separator, "tool", name) !== undefined && view.transparent === undefined) return name;
  const owners = view.upstreams.filter((upstream) => upstream.known.tool.has(name) && isShown(upstream, "tool", name));
  const [owner] = owners;
  return owners.length === 1 && owner !== undefined ? listedName(view, separator, owner, "tool", name) : undefined;
}

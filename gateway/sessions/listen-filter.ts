/** The filter of subscriptions/listen: read, cut to what an upstream can deliver, applied (MCP 2026-07-28 subscriptions). */
import { fault } from "../../contract/errors.ts";
import { declares, type View, type ViewUpstream } from "../federation/index.ts";
import { type Envelope, elements, isObject, memberAt, splitUri, stringAt } from "../mcp/index.ts";
import type { UpstreamProfile } from "../upstreams/index.ts";

/** SubscriptionFilter of the schema. */
export type Filter = { tools: boolean; prompts: boolean; resources: boolean; uris: readonly string[] };

const FLAGS = { tools: "toolsListChanged", prompts: "promptsListChanged", resources: "resourcesListChanged" } as const;
const MAX_URIS = 1000;

/** The requested filter; throws MCPS_PARAMS naming what is wrong with it. */
export function parseFilter(body: Buffer, envelope: Envelope): Filter {
  const refuse = (reason: string) => fault("MCPS_PARAMS", { method: envelope.method, reason });
  const span = memberAt(body, envelope.params, "notifications");
  if (span === undefined || !isObject(body, span)) throw refuse("params.notifications has to be an object");
  const flag = (key: string): boolean => {
    const value = memberAt(body, span, key);
    const text = value === undefined ? "false" : body.toString("latin1", value.start, value.end);
    if (text !== "true" && text !== "false") throw refuse(`params.notifications.${key} has to be true or false`);
    return text === "true";
  };
  const uris = elements(body, memberAt(body, span, "resourceSubscriptions")).map((item) => stringAt(body, item));
  if (uris.length > MAX_URIS)
    throw refuse(
      `params.notifications.resourceSubscriptions has ${uris.length} entries, at most ${MAX_URIS} are allowed`,
    );
  const strings = uris.filter((uri) => uri !== undefined);
  if (strings.length !== uris.length)
    throw refuse("params.notifications.resourceSubscriptions has to be a list of strings");
  return { tools: flag(FLAGS.tools), prompts: flag(FLAGS.prompts), resources: flag(FLAGS.resources), uris: strings };
}

export function filterJson(filter: Filter): string {
  const fields: Record<string, unknown> = {};
  for (const kind of ["tools", "prompts", "resources"] as const) if (filter[kind]) fields[FLAGS[kind]] = true;
  if (filter.uris.length > 0) fields.resourceSubscriptions = filter.uris;
  return JSON.stringify(fields);
}

/** What of a filter an upstream can deliver, with its own URIs. */
export function filterFor(view: View, upstream: ViewUpstream, profile: UpstreamProfile, filter: Filter): Filter {
  const uris = declares(profile, "resources", "subscribe")
    ? filter.uris.flatMap((uri) => {
        if (!view.prefixed) return [uri];
        const split = splitUri(uri);
        return split?.slug === upstream.record.slug ? [split.uri] : [];
      })
    : [];
  return {
    tools: filter.tools && declares(profile, "tools", "listChanged"),
    prompts: filter.prompts && declares(profile, "prompts", "listChanged"),
    resources: filter.resources && declares(profile, "resources", "listChanged"),
    uris,
  };
}

export function isEmpty(filter: Filter): boolean {
  return !filter.tools && !filter.prompts && !filter.resources && filter.uris.length === 0;
}

/** Does this notification pass the filter (with the upstream's own URIs)? */
export function accepts(filter: Filter, method: string, uri: string | undefined): boolean {
  if (method === "notifications/tools/list_changed") return filter.tools;
  if (method === "notifications/prompts/list_changed") return filter.prompts;
  if (method === "notifications/resources/list_changed") return filter.resources;
  return method === "notifications/resources/updated" && uri !== undefined && filter.uris.includes(uri);
}

/**
 * Reads everything an upstream lists, in a conversation of the gateway's own that leaves nothing behind. Bounded: an upstream that
 * never comes to an end costs pages, items and bytes up to a limit, and the list is marked incomplete.
 */
import { elements, isObject, memberAt, sliceAt, stringAt, valueAt } from "../mcp/index.ts";
import type { DispatchContext } from "./dispatch.ts";
import { protocolFault } from "./failures.ts";
import { LATEST_LEGACY, refusedFault, requestBody } from "./handshake.ts";
import { sessionHeaders } from "./line.ts";
import { modernHeaders, modernParams } from "./modern.ts";
import type { InspectedItem, Inspection, UpstreamProfile, UpstreamTarget } from "./types.ts";
import { type Answer, faultOf } from "./wire.ts";

export type InspectContext = DispatchContext & {
  readonly idSource: () => string;
  readonly clientInfo: { readonly name: string; readonly version: string };
};

const MAX_PAGES = 1000;
const MAX_ITEMS = 100_000;
const MAX_LIST_BYTES = 256 * 1024 * 1024;
const METHOD_NOT_FOUND = -32601;

type ListName = "tools" | "prompts" | "resources" | "resourceTemplates";
type List = {
  readonly list: ListName;
  readonly method: string;
  readonly key: string;
  readonly capability: string;
  /** Servers with the capability may lack the method all the same. */
  readonly optional: boolean;
};

const LISTS: readonly List[] = [
  { list: "tools", method: "tools/list", key: "name", capability: "tools", optional: false },
  { list: "prompts", method: "prompts/list", key: "name", capability: "prompts", optional: false },
  { list: "resources", method: "resources/list", key: "uri", capability: "resources", optional: false },
  {
    list: "resourceTemplates",
    method: "resources/templates/list",
    key: "uriTemplate",
    capability: "resources",
    optional: true,
  },
];

/** A way to ask one upstream, whatever it speaks. */
type Conversation = {
  readonly profile: UpstreamProfile;
  ask(method: string, params: Readonly<Record<string, unknown>>): Promise<Answer>;
  close(): Promise<void>;
};

/** Rejects with a Fault when the upstream cannot be spoken to at all. */
export async function inspectUpstream(context: InspectContext, target: UpstreamTarget): Promise<Inspection> {
  const conversation = await converse(context, target);
  const found: Record<ListName, InspectedItem[]> = { tools: [], prompts: [], resources: [], resourceTemplates: [] };
  const incomplete: { list: string; reason: string }[] = [];
  try {
    const capabilities = objectOf(conversation.profile.capabilities);
    for (const list of LISTS) {
      if (!(list.capability in capabilities)) continue;
      const reason = await readList(conversation, target, list, found[list.list]);
      if (reason !== undefined) incomplete.push({ list: list.list, reason });
    }
  } finally {
    await conversation.close();
  }
  return { profile: conversation.profile, ...found, incomplete };
}

function objectOf(raw: Buffer): object {
  const value: unknown = JSON.parse(raw.toString());
  return typeof value === "object" && value !== null ? value : {};
}

/** Fills `into`; answers why the list is incomplete, if it is. */
async function readList(
  conversation: Conversation,
  target: UpstreamTarget,
  list: List,
  into: InspectedItem[],
): Promise<string | undefined> {
  const cursors = new Set<string>();
  let cursor: string | undefined;
  let bytes = 0;
  let nameless = 0;
  for (let page = 0; page < MAX_PAGES; page++) {
    let answer: Answer;
    try {
      answer = await conversation.ask(list.method, cursor === undefined ? {} : { cursor });
    } catch (error) {
      return faultOf(target, error).message;
    }
    const { raw, envelope } = answer;
    if (envelope.error !== undefined) {
      const code = memberAt(raw, envelope.error, "code");
      if (list.optional && page === 0 && code !== undefined && valueAt(raw, code) === METHOD_NOT_FOUND)
        return undefined;
      return refusedFault(target, list.method, raw, envelope).message;
    }
    bytes += raw.length;
    for (const span of elements(raw, memberAt(raw, envelope.result, list.list))) {
      const name = isObject(raw, span) ? stringAt(raw, memberAt(raw, span, list.key)) : undefined;
      if (name === undefined) nameless++;
      else if (into.length >= MAX_ITEMS) return `more than ${MAX_ITEMS} items`;
      else into.push({ name, raw: sliceAt(raw, span) });
    }
    cursor = stringAt(raw, memberAt(raw, envelope.result, "nextCursor"));
    if (cursor === undefined) return nameless === 0 ? undefined : `${nameless} item(s) without ${list.key}`;
    if (cursors.has(cursor)) return "a cursor came a second time";
    if (bytes > MAX_LIST_BYTES) return `more than ${MAX_LIST_BYTES} bytes`;
    cursors.add(cursor);
  }
  return `more than ${MAX_PAGES} pages`;
}

async function converse(context: InspectContext, target: UpstreamTarget): Promise<Conversation> {
  if (target.transport === "sse") {
    const { connection, profile } = await context.connections.guest(target);
    return {
      profile,
      ask: (method, params) => connection.ask(method, params),
      close: async () => connection.close(protocolFault(target, "the inspection is over")),
    };
  }
  const profile = await context.profiles.get(target);
  if (profile.era === "modern") return converseModern(context, target, profile);
  return converseLegacy(context, target, profile);
}

function converseModern(context: InspectContext, target: UpstreamTarget, profile: UpstreamProfile): Conversation {
  const version = profile.protocolVersion;
  return {
    profile,
    ask: (method, params) => {
      const headers = modernHeaders(context.wire.prepared(target), version, { method });
      return ask(context, target, headers, method, modernParams(version, context.clientInfo, params));
    },
    close: async () => undefined,
  };
}

async function converseLegacy(
  context: InspectContext,
  target: UpstreamTarget,
  profile: UpstreamProfile,
): Promise<Conversation> {
  const { wire, lines, clientInfo } = context;
  const session = profile.sessionless
    ? undefined
    : await lines.greet(target, {
        protocolVersion: LATEST_LEGACY,
        clientCapabilities: Buffer.from("{}"),
        clientInfo: Buffer.from(JSON.stringify(clientInfo)),
      });
  const own = session === undefined ? ["mcp-protocol-version", profile.protocolVersion] : sessionHeaders(session);
  return {
    profile,
    ask: (method, params) => ask(context, target, [...wire.prepared(target).post, ...own], method, params),
    close: async () => {
      if (session !== undefined) await lines.end(target, session);
    },
  };
}

async function ask(
  context: InspectContext,
  target: UpstreamTarget,
  headers: readonly string[],
  method: string,
  params: unknown,
): Promise<Answer> {
  const id = context.idSource();
  const answer = await context.wire.ask(context.wire.prepared(target), {
    headers,
    body: requestBody(id, method, params),
    method,
    id: JSON.stringify(id),
    timeoutMs: target.requestTimeoutMs,
  });
  if (answer === undefined) throw protocolFault(target, `it gave no answer to ${method}`);
  return answer;
}

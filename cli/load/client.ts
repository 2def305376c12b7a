/** Speaks MCP with the gateway before and after the load: sessions are opened and ended, tools are listed. */
import { judge, parsed } from "./answers.ts";
import { LoadFailure } from "./failure.ts";
import type { HttpAnswer } from "./http-reader.ts";
import { exchange, isFailure, type Link, type LinkFailure } from "./link.ts";
import {
  besideMcp,
  deleteRequest,
  type Endpoint,
  type Era,
  FIRST_ID,
  httpRequest,
  initializedRequest,
  initializeRequest,
  requestWriter,
} from "./messages.ts";
import { type ListedTool, toolsOf } from "./tools.ts";

export type Client = {
  readonly endpoint: Endpoint;
  open(): Link;
};

/** So many sessions are opened at once. */
const CONCURRENT = 16;
/** A federation may answer its tools in pages; no list of a load test is longer. */
const MAX_PAGES = 100;

/**
 * Opens legacy sessions: initialize, then initialized. An id is undefined where the server has no sessions.
 * Throws LoadFailure at the first that is refused; after an abort it answers those that are open.
 */
export async function openSessions(
  client: Client,
  count: number,
  signal: AbortSignal,
): Promise<readonly (string | undefined)[]> {
  const sessions: (string | undefined)[] = [];
  let left = count;
  const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  const opened = onLinks(client, count, async (link) => {
    while (left > 0 && !signal.aborted) {
      left -= 1;
      sessions.push(await openSession(client, link));
    }
  });
  // Without the race an interrupted run would wait for a server that hangs.
  await Promise.race([opened, aborted]);
  return sessions;
}

async function openSession({ endpoint }: Client, link: Link): Promise<string | undefined> {
  const { text, id } = initializeRequest(endpoint);
  const answer = await exchange(link, text);
  resultOf(endpoint, "initialize", answer, id);
  const session = isFailure(answer) ? undefined : answer.header("mcp-session-id");
  const accepted = await exchange(link, initializedRequest(endpoint, session));
  if (isFailure(accepted) || accepted.status > 299)
    throw new LoadFailure(refusal(endpoint, "notifications/initialized", accepted));
  return session;
}

/** Ends sessions with DELETE. What the server answers is no matter: it may not allow it, or be gone. */
export async function closeSessions(client: Client, sessions: readonly (string | undefined)[]): Promise<void> {
  const open = sessions.filter((session) => session !== undefined);
  await onLinks(client, open.length, async (link) => {
    for (let session = open.pop(); session !== undefined; session = open.pop()) {
      const answer = await exchange(link, deleteRequest(client.endpoint, session));
      if (isFailure(answer)) return;
    }
  });
}

/** All tools that the caller may see. Throws LoadFailure. */
export async function listTools(client: Client, era: Era, session: string | undefined): Promise<ListedTool[]> {
  const link = client.open();
  const tools: ListedTool[] = [];
  try {
    let cursor: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const params = cursor === undefined ? {} : { cursor };
      const write = requestWriter(client.endpoint, { era, method: "tools/list", params });
      const { text, id } = write(FIRST_ID + page, session);
      const result = resultOf(client.endpoint, "tools/list", await exchange(link, text), id);
      tools.push(...toolsOf(result));
      if (typeof result.nextCursor !== "string") break;
      cursor = result.nextCursor;
    }
    return tools;
  } finally {
    link.close();
  }
}

/** What /version says; undefined where there is none or the caller may not ask. Throws LoadFailure when nothing can be reached. */
export async function askVersion({
  endpoint,
  open,
}: Client): Promise<{ readonly version: string; readonly engine?: string } | undefined> {
  const link = open();
  const there = { ...endpoint, url: besideMcp(endpoint.url, "/version") };
  const answer = await exchange(link, httpRequest(there, "GET", { accept: "application/json" }));
  link.close();
  if (isFailure(answer)) {
    if (answer.unreached) throw new LoadFailure(refusal(endpoint, "GET /version", answer));
    return undefined;
  }
  const told = answer.status === 200 ? parsed(answer.body.toString("utf8")) : undefined;
  if (typeof told?.version !== "string") return undefined;
  return { version: told.version, ...(typeof told.engine === "string" ? { engine: told.engine } : {}) };
}

function resultOf(
  endpoint: Endpoint,
  method: string,
  answer: HttpAnswer | LinkFailure,
  id: number,
): Readonly<Record<string, unknown>> {
  const judged = isFailure(answer) ? undefined : judge(answer, id);
  if (judged === undefined || "failure" in judged) throw new LoadFailure(refusal(endpoint, method, answer));
  return judged.result;
}

function refusal({ url, token }: Endpoint, method: string, answer: HttpAnswer | LinkFailure): string {
  const where = `${method} at ${url.origin}${url.pathname}`;
  if (isFailure(answer))
    return answer.unreached ? `nothing can be reached at ${url.origin}: ${answer.kind}` : `${where}: ${answer.kind}`;
  const hint =
    answer.status === 401 && token === undefined ? " (no token was given: --token-file or MCP_STACK_TOKEN)" : "";
  return `${where} was answered with HTTP ${answer.status}${hint}: ${answer.body.toString("utf8", 0, 400)}`;
}

async function onLinks(client: Client, count: number, work: (link: Link) => Promise<void>): Promise<void> {
  const links = Array.from({ length: Math.min(CONCURRENT, count) }, () => client.open());
  try {
    await Promise.all(links.map(work));
  } finally {
    for (const link of links) link.close();
  }
}

/** Whether an answer is the one that was asked for, and what it says. */
import type { HttpAnswer } from "./http-reader.ts";

type Json = Readonly<Record<string, unknown>>;
/** `failure` is the kind under which the report counts it: "HTTP 503, JSON-RPC -32000", "tool error", "wrong id", … */
export type Judged = { readonly result: Json } | { readonly failure: string };

/** Reads the answer to the request `id`, as JSON or as the event of a stream that has this id. */
export function judge(answer: HttpAnswer, id: number): Judged {
  const message = messageOf(answer, id);
  const code = isObject(message?.error) ? message.error.code : undefined;
  const isRefused = answer.status < 200 || answer.status > 299;
  if (isRefused) return { failure: `HTTP ${answer.status}${typeof code === "number" ? `, JSON-RPC ${code}` : ""}` };
  if (message === undefined) return { failure: "not a JSON-RPC answer" };
  if (message.id !== id) return { failure: "wrong id" };
  if (typeof code === "number") return { failure: `JSON-RPC ${code}` };
  if (!isObject(message.result)) return { failure: "not a JSON-RPC answer" };
  // MCP, tools: what a tool could not do is a result with isError.
  return message.result.isError === true ? { failure: "tool error" } : { result: message.result };
}

function messageOf(answer: HttpAnswer, id: number): Json | undefined {
  const text = answer.body.toString("utf8");
  if (!/^text\/event-stream/i.test(answer.header("content-type") ?? "")) return parsed(text);
  const messages = eventData(text)
    .map(parsed)
    .filter((message) => message !== undefined && ("result" in message || "error" in message));
  return messages.find((message) => message?.id === id) ?? messages.at(-1);
}

/** The data of each event (WHATWG HTML, server-sent events); events without data are left out. */
function eventData(text: string): string[] {
  return text.split(/\r?\n\r?\n/).flatMap((event) => {
    const lines = event.split(/\r?\n/).filter((line) => line.startsWith("data:"));
    return lines.length === 0 ? [] : [lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n")];
  });
}

/** A JSON object; undefined for any other text. */
export function parsed(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

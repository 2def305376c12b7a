/** Which requests may be sent a second time though the first may have been carried out. */

/** Ask for an answer and nothing else, in no session in particular. */
export const READING_METHODS = [
  "tools/list",
  "prompts/list",
  "prompts/get",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "completion/complete",
] as const;

/**
 * Reading twice changes nothing, and neither does saying the same twice (MCP: lists, reads, prompts, completions, handshakes, levels and
 * subscriptions). What a tools/call does only its tool knows; a method that nobody knows here may do anything.
 */
const SAFE_METHODS: ReadonlySet<string> = new Set([
  ...READING_METHODS,
  "initialize",
  "server/discover",
  "ping",
  "resources/subscribe",
  "resources/unsubscribe",
  "logging/setLevel",
  "subscriptions/listen",
  "tasks/get",
  "tasks/list",
  "tasks/result",
  "tasks/cancel",
]);

/** `declared`: the tool says that it only reads or that repeating it changes nothing. Messages without an id ask for no work. */
export function isRepeatable(method: string, id: string | undefined, declared: boolean | undefined): boolean {
  return declared === true || id === undefined || SAFE_METHODS.has(method);
}

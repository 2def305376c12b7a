/** How many calls of one tool may run at a time. Part of the composition root. */
import { fault } from "../contract/errors.ts";
import type { CallWatch, WatchedCall } from "./sessions/index.ts";

type Tool = { running: number };

/** Told to whoever is refused: the tool decides how soon it has time, and nobody here knows. */
const RETRY_AFTER = { "retry-after": "1" };

/** None where there is no limit (0): then nothing follows the calls. */
export function toolLimits(limit: number): CallWatch[] {
  return limit === 0 ? [] : [limitTools(limit)];
}

/** `limit` ≥ 1: calls of one tool of one upstream, in this process. */
export function limitTools(limit: number): CallWatch {
  const byUpstream = new Map<string, Map<string, Tool>>();
  /** Calls that count; one that was refused here or elsewhere may end too. */
  const counted = new Map<WatchedCall, Tool>();

  function toolOf({ route }: WatchedCall): Tool | undefined {
    const name = route.target?.value;
    if (name === undefined) return undefined;
    const { id } = route.upstream.record;
    const tools = byUpstream.get(id) ?? new Map<string, Tool>();
    if (tools.size === 0) byUpstream.set(id, tools);
    const tool = tools.get(name) ?? { running: 0 };
    if (tool.running === 0) tools.set(name, tool);
    return tool;
  }

  function leave(call: WatchedCall, tool: Tool): void {
    counted.delete(call);
    if (--tool.running > 0) return;
    const { id } = call.route.upstream.record;
    const tools = byUpstream.get(id);
    tools?.delete(call.route.target?.value ?? "");
    if (tools?.size === 0) byUpstream.delete(id);
  }

  return {
    mayBegin(call) {
      if (call.envelope.method !== "tools/call") return undefined;
      const tool = toolOf(call);
      if (tool === undefined) return undefined;
      if (tool.running >= limit) {
        const values = { tool: call.route.target?.value ?? "", upstream: call.route.upstream.record.slug, limit };
        return fault("MCPS_TOOL_BUSY", values, { retryAfterSeconds: 1 }, RETRY_AFTER);
      }
      tool.running++;
      counted.set(call, tool);
      return undefined;
    },
    ended(call) {
      const tool = counted.get(call);
      if (tool !== undefined) leave(call, tool);
    },
  };
}

/** How a session that rested is asked whether it lives. */
import { Fault } from "../../contract/errors.ts";

export type HealthMethod = "ping" | "list_tools" | "list_prompts" | "list_resources" | "skip";

const MCP_METHODS: Readonly<Record<Exclude<HealthMethod, "skip">, string>> = {
  ping: "ping",
  list_tools: "tools/list",
  list_prompts: "prompts/list",
  list_resources: "resources/list",
};

/**
 * One after the other until one is answered. A method that the upstream refuses leads to the next; `skip` takes its word for it; no
 * answer at all, and the last refusal, speak against it.
 */
export async function isHealthy(
  methods: readonly HealthMethod[],
  ask: (method: string) => Promise<void>,
): Promise<boolean> {
  for (const method of methods) {
    if (method === "skip") return true;
    try {
      await ask(MCP_METHODS[method]);
      return true;
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "MCPS_UPSTREAM_REFUSED") return false;
    }
  }
  return false;
}

/** Upstreams that are declared, not registered: mcp.json and the example server. Part of the composition root. */

import { resolve } from "node:path";
import type { Settings } from "../contract/settings.ts";
import { type createRegistry, watchDeclarations } from "./registry/index.ts";
import type { LoadedSettings } from "./settings/index.ts";
import type { Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";

type DeclareInput = {
  readonly settings: Settings;
  readonly environment: LoadedSettings["environment"];
  readonly log: Log;
  readonly teardown: Teardown;
  readonly store: Store;
  readonly inspect: Parameters<typeof createRegistry>[0]["inspect"];
  readonly changed: () => Promise<void>;
  readonly withExample: boolean;
};

/** The upstreams of mcp.json and the example server; an upstream that is away does not keep the gateway from starting. */
export async function declare({
  settings,
  environment,
  log,
  teardown,
  store,
  inspect,
  changed,
  withExample,
}: DeclareInput): Promise<void> {
  const example = { command: process.execPath, args: [resolve(import.meta.dirname, "../examples/time-server.ts")] };
  const declarations = watchDeclarations({
    ...(settings.MCP_CONFIG === undefined ? {} : { path: resolve(settings.MCP_CONFIG) }),
    builtIn: withExample ? { time: example } : {},
    env: environment,
    store,
    inspect,
    changed,
    log,
  });
  teardown.add("declarations", () => declarations.close());
  const { problems } = await declarations.applied;
  for (const problem of problems) log.warn("a declared upstream has a problem", { problem });
}

/** Pinned tools: what is seen is recorded, told in the log, and known to everybody. Part of the composition root. */
import type { Settings } from "../contract/settings.ts";
import { createPinning, type Pinning } from "./federation/index.ts";
import { LooseEnds } from "./loose-ends.ts";
import type { CallWatch } from "./sessions/index.ts";
import type { InspectionOutcome, Sighting, Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";

/** What was seen is written down this long at the end. */
const LAST_WRITE_MS = 5000;

export type Pins = {
  readonly pinning: Pinning;
  readonly watch: CallWatch;
  /** The store, which also compares the tools of an upstream that was asked for them. */
  recording<S extends Pick<Store, "createGateway" | "recordInspection">>(store: S): S;
  /** Called once the catalogue can be told of changes. */
  onChanged(changed: () => Promise<void>): void;
};

export function startPins(
  settings: Pick<Settings, "TOOL_PIN_POLICY" | "TOOL_PIN_NEW" | "TOOL_PIN_FLAGS">,
  store: Pick<Store, "observeTools">,
  count: (kind: string) => void,
  log: Log,
  teardown: Teardown,
): Pins {
  const writing = new LooseEnds();
  teardown.add("pins", async () => {
    const left = await writing.tie(LAST_WRITE_MS);
    if (left > 0) log.warn("tools' definitions were not recorded before the end", { lists: left });
  });
  let changed: () => Promise<void> = async () => undefined;

  async function observe(gatewayId: string, sightings: readonly Sighting[]): Promise<boolean> {
    const changes = await store.observeTools(gatewayId, sightings);
    const flags = new Map(sightings.map((one) => [one.name, one.flags]));
    for (const { name, kind } of changes) {
      count(kind);
      const found = flags.get(name) ?? [];
      if (kind === "first" && found.length === 0) continue;
      // No definition and no name that could lead whoever reads logs: what changed is answered by GET /pins.
      log.warn(`a tool's definition is ${kind === "first" ? "suspicious" : kind}`, {
        gateway: gatewayId,
        tool: JSON.stringify(name.slice(0, 100)),
        flags: found.join(","),
        policy: settings.TOOL_PIN_POLICY,
      });
    }
    return changes.length > 0;
  }

  const pinning = createPinning({
    policy: settings.TOOL_PIN_POLICY,
    newTools: settings.TOOL_PIN_NEW,
    flags: settings.TOOL_PIN_FLAGS,
    report(gatewayId, sightings) {
      // Whoever asks for the list after the end sees the same definitions, and reports them.
      if (writing.closed) return;
      const seen = observe(gatewayId, sightings)
        .then((isNews) => (isNews ? changed() : undefined))
        .catch((error: unknown) =>
          log.warn("a tool's definition could not be recorded", { gateway: gatewayId, reason: String(error) }),
        );
      void writing.follow(seen);
    },
  });

  async function inspected(gatewayId: string, outcome: InspectionOutcome | undefined): Promise<void> {
    if (outcome?.ok !== true) return;
    const tools = outcome.items
      .filter(({ kind }) => kind === "tool")
      .map(({ originalName, definition }) => ({ name: originalName, raw: definition }));
    await observe(gatewayId, pinning.sightings(gatewayId, tools));
  }

  return {
    pinning,
    watch: {
      mayBegin({ route, envelope }) {
        if (envelope.method !== "tools/call" || route.target === undefined) return undefined;
        const { id, slug, transport } = route.upstream.record;
        return transport === "BUILTIN" ? undefined : pinning.refusal(id, slug, route.target.value);
      },
      ended: () => undefined,
    },
    recording: (inner) => ({
      ...inner,
      async createGateway(input, outcome, id) {
        const created = await inner.createGateway(input, outcome, id);
        await inspected(created.id, outcome);
        return created;
      },
      async recordInspection(id, outcome, restore) {
        await inner.recordInspection(id, outcome, restore);
        await inspected(id, outcome);
      },
    }),
    onChanged(listener) {
      changed = listener;
    },
  };
}

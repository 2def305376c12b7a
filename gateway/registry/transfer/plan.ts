/** What importing a document means here: which of its things are new, which are there already, and what becomes of those. */
import { fault } from "../../../contract/errors.ts";
import type { GatewayRecord, ItemDetail, ServerRecord } from "../../store/index.ts";
import { slugProblems } from "../gateway-input.ts";
import type { EntityType, GatewayEntry, HostedEntry, Imported, RegistryExport, ServerEntry } from "./document.ts";

export type Strategy = Imported["conflictStrategy"];
type Action = Imported["entities"][number]["action"];
type Planned<Type extends EntityType, Entry> = {
  readonly type: Type;
  readonly entry: Entry;
  readonly name: string;
  readonly action: Action;
  /** Its name here. */
  readonly as: string;
  /** What has the name here. */
  readonly existing: string | undefined;
  readonly notes: string[];
};
export type Step =
  | Planned<"gateways", GatewayEntry>
  | Planned<"resources" | "prompts", HostedEntry>
  | Planned<"servers", ServerEntry>;

export type Here = {
  readonly gateways: readonly GatewayRecord[];
  readonly hosted: readonly ItemDetail[];
  readonly servers: readonly ServerRecord[];
  readonly separator: string;
};
export type Selection = Readonly<Partial<Record<EntityType, readonly string[]>>> | undefined;

/** In the order in which they can be stored. Throws MCPS_ITEM_CONFLICT with the strategy `fail`. */
export function stepsOf({ entities }: RegistryExport, here: Here, strategy: Strategy, selection: Selection): Step[] {
  const isWanted = (type: EntityType, name: string) =>
    selection === undefined || Object.keys(selection).length === 0 || selection[type]?.includes(name) === true;
  const slugs = new Set(here.gateways.map(({ slug }) => slug));
  const taken: Readonly<Record<EntityType, Set<string>>> = {
    gateways: slugs,
    resources: new Set(),
    prompts: new Set(),
    servers: new Set(here.servers.map(({ name }) => name)),
  };
  const decided = (
    type: EntityType,
    name: string,
    existing: string | undefined,
    rename: (() => string) | undefined,
  ) => {
    const action: Action = existing === undefined ? "create" : strategy;
    const isUnnameable = action === "rename" && rename === undefined;
    const as = action === "rename" && rename !== undefined ? rename() : name;
    taken[type].add(as);
    const notes = isUnnameable ? ["it is known by its name, so it is not renamed but left as it is"] : [];
    return { name, as, existing, action: isUnnameable ? ("skip" as const) : action, notes };
  };
  const free = (type: EntityType, make: (count: number) => string, isFree: (name: string) => boolean = () => true) => {
    for (let count = 2; ; count++) if (!taken[type].has(make(count)) && isFree(make(count))) return make(count);
  };
  const isFreeSlug = (slug: string) => slugProblems(slug, undefined, here.gateways, here.separator).length === 0;
  const steps: Step[] = [
    ...entities.gateways.map((entry) => {
      const { slug } = entry;
      const existing = here.gateways.find((one) => one.slug === slug)?.id;
      const rename = () => free("gateways", (count) => `${slug.slice(0, 58)}-${count}`, isFreeSlug);
      return { type: "gateways" as const, entry, ...decided("gateways", slug, existing, rename) };
    }),
    ...(["resources", "prompts"] as const).flatMap((type) =>
      entities[type].map((entry) => {
        const { originalName: name, kind } = entry;
        const existing = here.hosted.find((one) => one.kind === kind && one.originalName === name)?.id;
        const rename = kind === "prompt" ? () => `${name.slice(0, 120)}_imported` : undefined;
        return { type, entry, ...decided(type, name, existing, rename) };
      }),
    ),
    ...entities.servers.map((entry) => {
      const existing = here.servers.find((one) => one.name === entry.name)?.id;
      const rename = () => free("servers", (count) => `${entry.name.slice(0, 240)} (${count})`);
      return { type: "servers" as const, entry, ...decided("servers", entry.name, existing, rename) };
    }),
  ];
  const wanted = steps.filter((step) => isWanted(step.type, step.name));
  const conflict = wanted.find((step) => step.action === "fail");
  if (conflict === undefined) return wanted;
  const owner = "something that is here already; nothing was imported";
  throw fault(
    "MCPS_ITEM_CONFLICT",
    { kind: conflict.type.slice(0, -1), field: "name", value: conflict.name.slice(0, 200), owner },
    { conflicts: wanted.filter((step) => step.action === "fail").map(({ type, name }) => ({ type, name })) },
  );
}

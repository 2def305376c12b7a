/** What each name means here: the one place that knows all names of the other gateway and of the servers around it. */

import { editDistance } from "../../contract/nearest.ts";
import { isSettingName, type SettingName, settingNames } from "../../contract/settings.ts";
import { type Family, words } from "./family.ts";
import { accessFamilies } from "./names-access.ts";
import { featureFamilies } from "./names-features.ts";
import { observedFamilies } from "./names-observed.ts";
import { knobFamilies, processFamilies } from "./names-process.ts";
import { protectionFamilies } from "./names-protection.ts";
import { flagFamilies, serverFamilies } from "./names-servers.ts";
import { type Renaming, renamings } from "./renamed.ts";
import { gatewaySized, poolerSized, postgresSized, redisSized, type Sized, type Table } from "./sized.ts";
import type { Assignment, Role } from "./source.ts";

/** A name may be more than one of these: DB_POOL_SIZE is a setting and a number of the plan. */
export type Meaning = {
  readonly sized?: Sized;
  readonly setting?: SettingName;
  readonly renaming?: Renaming;
  readonly family?: Family;
};

const families: readonly Family[] = [
  accessFamilies,
  protectionFamilies,
  featureFamilies,
  observedFamilies,
  processFamilies,
  knobFamilies,
  serverFamilies,
].flatMap((group) => Object.values<Family>(group));
const byName = new Map(
  families.flatMap((family) => words(family.names).map((name): [string, Family] => [name, family])),
);
const byPrefix = families.flatMap((family) =>
  words(family.prefixes ?? "").map((prefix): [string, Family] => [prefix, family]),
);
const byFlag = new Map(
  Object.values<Family>(flagFamilies).flatMap((family) =>
    words(family.names).map((name): [string, Family] => [name, family]),
  ),
);

/** Environment variables with a meaning, in no order. */
export const knownNames: ReadonlySet<string> = new Set([
  ...settingNames,
  ...Object.keys(gatewaySized),
  ...Object.keys(poolerSized),
  ...renamings.keys(),
  ...byName.keys(),
]);

function own<Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** Undefined for a name that nobody has decided about. A plain environment file configures the pooler too. */
export function meaningOf(
  { name, role, kind }: Pick<Assignment, "name" | "role" | "kind">,
  isAlone: boolean,
): Meaning | undefined {
  if (kind === "flag") return flagMeaning(name, role === "redis" ? redisSized : postgresSized);
  const sized = numbersOf(role, isAlone)
    .map((table) => own(table, name))
    .find((one) => one !== undefined);
  const isGateway = role === "gateway";
  const setting = isGateway && isSettingName(name) ? name : undefined;
  const renaming = isGateway ? renamings.get(name) : undefined;
  const family = byName.get(name) ?? byPrefix.find(([prefix]) => name.startsWith(prefix))?.[1];
  if (sized === undefined && setting === undefined && renaming === undefined && family === undefined) return undefined;
  return {
    ...(sized === undefined ? {} : { sized }),
    ...(setting === undefined ? {} : { setting }),
    ...(renaming === undefined ? {} : { renaming }),
    ...(family === undefined ? {} : { family }),
  };
}

function numbersOf(role: Role, isAlone: boolean): readonly Table[] {
  if (role === "pgbouncer") return [poolerSized];
  if (role !== "gateway") return [];
  return isAlone ? [gatewaySized, poolerSized] : [gatewaySized];
}

function flagMeaning(name: string, table: Table): Meaning | undefined {
  const sized = own(table, name);
  if (sized !== undefined) return { sized };
  const family = byFlag.get(name);
  return family === undefined ? undefined : { family };
}

/** Unmistakably meant for a gateway; an unknown name that starts so would silently do nothing. */
const OWN_PREFIXES = [
  "MCPGATEWAY_",
  "MCP_SESSION_POOL_",
  "GUNICORN_",
  "GRANIAN_",
  "HTTPX_",
  "DB_POOL_",
  "SSO_",
  "SSRF_",
];
const MISTYPED_EDITS = 2;
/** Short names are near to everything. */
const LEAST_LENGTH = 6;

/** The name that an unknown one most likely stands for; undefined where it is meant for another program. */
export function nearestKnown(name: string): string | undefined {
  if (!/^[A-Z][A-Z0-9_]{1,63}$/.test(name) || knownNames.has(name)) return undefined;
  const isOwn = OWN_PREFIXES.some((prefix) => name.startsWith(prefix));
  let best: readonly [string, number] | undefined;
  for (const known of knownNames) {
    if (!isOwn && Math.abs(known.length - name.length) > MISTYPED_EDITS) continue;
    const edits = editDistance(name, known);
    if (best === undefined || edits < best[1]) best = [known, edits];
  }
  if (best === undefined) return undefined;
  return isOwn || (best[1] <= MISTYPED_EDITS && name.length >= LEAST_LENGTH) ? best[0] : undefined;
}

/** What the settings of admission say that no single value's type can: weights by principal, and which of them need a limit. */
import type { SettingName, Settings } from "../../contract/settings.ts";

/** Calls of a worker whose limit nobody set: the bounded engine has one in any case, the sources' own. */
const BOUNDED_IN_FLIGHT = 512;
const MOST_WEIGHT = 1000;

/** MAX_IN_FLIGHT as it stands for an engine; 0 is no limit. */
export function inFlightLimit(limit: number | undefined, engine: Settings["HTTP_SERVER"]): number {
  return limit ?? (engine === "bounded" ? BOUNDED_IN_FLIGHT : 0);
}

/** Where there are few slots of calls, a quarter of them is no more than one page that shows several lists at once. */
const FEW_LISTS = 32;

/** MAX_LISTS_IN_FLIGHT beside `calls`, the limit of calls; 0 is no limit. */
export function listLimit(limit: number | undefined, calls: number): number {
  return limit ?? Math.max(Math.ceil(calls / 4), Math.min(calls, FEW_LISTS));
}

/** `principal=weight`, 1…1000; undefined for what is none. */
function weightOf(entry: string): readonly [principal: string, weight: number] | undefined {
  const at = entry.lastIndexOf("=");
  const weight = Number(entry.slice(at + 1));
  const isWeight = at > 0 && Number.isInteger(weight) && weight >= 1 && weight <= MOST_WEIGHT;
  return isWeight ? [entry.slice(0, at), weight] : undefined;
}

/** The entries of FAIR_SHARE_WEIGHTS by principal. */
export function fairShareWeights(entries: readonly string[]): ReadonlyMap<string, number> {
  return new Map(entries.map(weightOf).filter((entry) => entry !== undefined));
}

export function weightProblems({ FAIR_SHARE_WEIGHTS }: Settings, place: string): readonly string[] {
  return FAIR_SHARE_WEIGHTS.filter((entry) => weightOf(entry) === undefined).map(
    (entry) =>
      `FAIR_SHARE_WEIGHTS has ${JSON.stringify(entry)}, allowed is principal=weight with a weight of 1…${MOST_WEIGHT} (${place})`,
  );
}

const NEED_CALLS = ["MAX_UPSTREAM_SHARE"] as const satisfies readonly SettingName[];
const NEED_ANY = [
  "FAIR_SHARE_FROM",
  "FAIR_SHARE_WEIGHTS",
  "QUEUE_TIMEOUT",
  "MAX_LOOP_DELAY",
  "MAX_HEAP_USE",
] as const satisfies readonly SettingName[];

/** Settings that do nothing as the limits stand. */
export function withoutLimit(settings: Settings): readonly SettingName[] {
  const calls = inFlightLimit(settings.MAX_IN_FLIGHT, settings.HTTP_SERVER);
  if (calls > 0) return [];
  return listLimit(settings.MAX_LISTS_IN_FLIGHT, calls) > 0 ? NEED_CALLS : [...NEED_CALLS, ...NEED_ANY];
}

/** What a manifest says and the object in the cluster does not. */
import { parseQuantity } from "../../infra/targets/kubernetes/rules/quantity.ts";

/**
 * Paths of the manifest's leaves that the object lacks or has otherwise. What the server adds is no difference, nor that it leaves out
 * what is empty or false, nor that it writes an amount in another unit: `1024Mi` is `1Gi`.
 */
export function differences(manifest: unknown, live: unknown, path = ""): readonly string[] {
  if (live === undefined && isNothing(manifest)) return [];
  if (Array.isArray(manifest)) {
    if (!Array.isArray(live) || live.length !== manifest.length) return [path];
    return manifest.flatMap((one, at) => differences(one, live[at], `${path}[${at}]`));
  }
  if (typeof manifest === "object" && manifest !== null) {
    if (typeof live !== "object" || live === null) return [path];
    return Object.entries(manifest).flatMap(([key, value]) =>
      differences(value, Reflect.get(live, key), path === "" ? key : `${path}.${key}`),
    );
  }
  return isSame(manifest, live) ? [] : [path];
}

function isNothing(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === false;
}

function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  const amount = parseQuantity(one);
  return amount !== undefined && typeof other === "string" && amount === parseQuantity(other);
}

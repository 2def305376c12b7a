/** The door of the engine double: runs a Pulumi program, and says what it registered. */
import type { Manifest } from "../../../infra/targets/kubernetes/manifest.ts";
import { named } from "./outputs.ts";
import { isObject, plain, type Run } from "./run.ts";

export { type Program, runProgram } from "./program.ts";
export {
  type Alias,
  isSecret,
  type Logged,
  plain,
  type Registered,
  type Run,
  secretsIn,
  UNKNOWN,
  type Value,
} from "./run.ts";

/** The Kubernetes objects of a run as plain data, for the rules; what a preview does not know stands there as UNKNOWN. */
export function manifestsOf(run: Run): readonly Manifest[] {
  return run.resources
    .filter(({ type }) => type.startsWith("kubernetes:"))
    .map(({ name, inputs }) => manifestOf(plain(named(name, inputs))));
}

function manifestOf(value: unknown): Manifest {
  const { apiVersion, kind, metadata, ...rest } = isObject(value) ? value : {};
  const own = isObject(metadata) ? metadata : {};
  return { apiVersion: String(apiVersion), kind: String(kind), metadata: { ...own, name: String(own.name) }, ...rest };
}

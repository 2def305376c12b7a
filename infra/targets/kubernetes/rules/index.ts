/** The door of the rules: judges of Kubernetes objects as plain data, without Pulumi, without a cluster, without reading anything. */
export { type Finding, objectOf, printFinding, type Rule } from "./finding.ts";
export { type Edge, type NetworkContext, network } from "./network.ts";
export { type Replacement, replacements } from "./oracle.ts";
export { type PodSecurityContext, restricted } from "./pod-security.ts";
export { type Pod, podsOf } from "./pods.ts";
export {
  type Connection,
  type Endpoint,
  endpointOf,
  endpointsOf,
  type Halves,
  halvesOf,
  type Protocol,
} from "./reachability.ts";
export type { ReferenceContext } from "./reference-check.ts";
export { references } from "./references.ts";
export { schema } from "./schema.ts";
export { safeSysctls } from "./sysctls.ts";

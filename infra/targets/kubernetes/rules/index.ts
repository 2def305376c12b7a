/** The door of the rules: judges of Kubernetes objects as plain data, without Pulumi, without a cluster, without reading anything. */

export { safeSysctls } from "../../../../contract/sysctls.ts";
export type { Manifest } from "../manifest.ts";
export { autoscaling } from "./autoscaling.ts";
export { disruption } from "./disruption.ts";
export { type ExposureContext, exposure } from "./exposure.ts";
export { type Finding, objectOf, printFinding, type Rule } from "./finding.ts";
export { type HardeningContext, hardening } from "./hardening.ts";
export { type HostsContext, hosts } from "./hosts.ts";
export { type JudgementContext, judge } from "./judge.ts";
export { type MinorContext, minor } from "./minor.ts";
export { type Edge, type NetworkContext, network } from "./network.ts";
export { type Replacement, replacements } from "./oracle.ts";
export { type PodSecurityContext, restricted } from "./pod-security.ts";
export { type Pod, podsOf } from "./pods.ts";
export { quota } from "./quota.ts";
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
export { type SecretsContext, secrets } from "./secrets.ts";

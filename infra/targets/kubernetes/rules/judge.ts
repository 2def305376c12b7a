/** Every rule at once, over the objects of one stack. */
import type { Manifest } from "../manifest.ts";
import { autoscaling } from "./autoscaling.ts";
import { disruption } from "./disruption.ts";
import { type ExposureContext, exposure } from "./exposure.ts";
import type { Finding } from "./finding.ts";
import { type HardeningContext, hardening } from "./hardening.ts";
import { type HostsContext, hosts } from "./hosts.ts";
import { type MinorContext, minor } from "./minor.ts";
import { type NetworkContext, network } from "./network.ts";
import { type PodSecurityContext, restricted } from "./pod-security.ts";
import { quota } from "./quota.ts";
import type { ReferenceContext } from "./reference-check.ts";
import { references } from "./references.ts";
import { schema } from "./schema.ts";
import { type SecretsContext, secrets } from "./secrets.ts";

export type JudgementContext = MinorContext &
  PodSecurityContext &
  HardeningContext &
  ExposureContext &
  ReferenceContext &
  SecretsContext & {
    readonly network: NetworkContext;
    readonly hosts: HostsContext;
  };

/** The findings in the order of the rules; empty where there is nothing to say. */
export function judge(manifests: readonly Manifest[], context: JudgementContext): readonly Finding[] {
  return [
    ...schema(manifests),
    ...minor(manifests, context),
    ...restricted(manifests, context),
    ...hardening(manifests, context),
    ...references(manifests, context),
    ...hosts(manifests, context.hosts),
    ...network(manifests, context.network),
    ...secrets(manifests, context),
    ...exposure(manifests, context),
    ...disruption(manifests),
    ...autoscaling(manifests),
    ...quota(manifests),
  ];
}

/** The restricted profile of the Pod Security Standards, over every pod template: what admission would refuse, found before it is asked. */

import { safeSince, safeSysctls } from "../../../../contract/sysctls.ts";
import type { Manifest } from "../manifest.ts";
import { containerChecks } from "./container-security.ts";
import { type Finding, type Offence, objectOf, shown } from "./finding.ts";
import { type Pod, podsOf } from "./pods.ts";
import { elementsAt, join, textAt, valueAt } from "./tree.ts";

type Check = (pod: Pod, minor: number) => readonly Offence[];

/** `kubernetesMinor`: 31 for Kubernetes 1.31, from `cluster.kubernetesMinor`. */
export type PodSecurityContext = { readonly kubernetesMinor: number };

const WHY = "the restricted profile of the Pod Security Standards, which the namespace enforces, admits nothing else";

/**
 * Findings `restricted/<check>`. Kubernetes documentation, Pod Security Standards, baseline and restricted; the version's differences
 * from the admission plugin. Stricter in one point: what the standards waive for pods with user namespaces (`hostUsers: false`) is not
 * waived here.
 */
export function restricted(manifests: readonly Manifest[], context: PodSecurityContext): readonly Finding[] {
  return podsOf(manifests).flatMap((pod) =>
    Object.entries({ ...POD_CHECKS, ...containerChecks }).flatMap(([name, check]) =>
      check(pod, context.kubernetesMinor).map((offence) => ({
        rule: `restricted/${name}`,
        object: objectOf(pod.manifest),
        why: WHY,
        ...offence,
      })),
    ),
  );
}

const POD_CHECKS: Readonly<Record<string, Check>> = {
  "host-namespaces": (pod) =>
    ["hostNetwork", "hostPID", "hostIPC"].flatMap((key) =>
      valueAt(pod.spec, key) === true ? [{ field: join(pod.at, key), value: "true", allowed: "false" }] : [],
    ),
  "volume-types": volumeTypes,
  sysctls,
  "apparmor-annotation": (pod) =>
    Object.entries(pod.annotations)
      .filter(([key]) => key.startsWith("container.apparmor.security.beta.kubernetes.io/"))
      .filter(([, profile]) => !/^(?:$|runtime\/default$|localhost\/)/.test(profile))
      .map(([key, profile]) => ({
        field: join(`${pod.metadataAt}.annotations`, key),
        value: shown(profile),
        allowed: "runtime/default | localhost/*",
      })),
};

/** Volume types of the profile; `image` since the admission plugin of 1.33. */
const VOLUMES = [
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
];

function volumeTypes({ spec, at }: Pod, minor: number): readonly Offence[] {
  const types = minor >= 33 ? [...VOLUMES, "image"] : VOLUMES;
  return elementsAt(spec, `${at}.volumes`, "volumes").flatMap((volume) =>
    Object.keys(volume.body)
      .filter((key) => key !== "name" && !types.includes(key))
      .map((key) => ({ field: volume.at, value: `a volume of type ${key}`, allowed: types.join(" | ") })),
  );
}

function sysctls({ spec, at }: Pod, minor: number): readonly Offence[] {
  const safe = safeSysctls(minor);
  return elementsAt(spec, `${at}.securityContext.sysctls`, "securityContext", "sysctls").flatMap((sysctl) => {
    const name = textAt(sysctl.body, "name") ?? "";
    if (safe.includes(name)) return [];
    const since = safeSince(name);
    const why =
      since === undefined
        ? `${WHY}; set it on the nodes`
        : `safe since Kubernetes 1.${since}, and cluster.kubernetesMinor is ${minor}`;
    return [{ field: `${sysctl.at}.name`, value: shown(name), allowed: safe.join(" | "), why }];
  });
}

/** The checks of the restricted profile that look at security contexts: the pod's, and each container's where it overrides it. */
import { type Offence, shown } from "./finding.ts";
import type { Container, Pod } from "./pods.ts";
import { elementsAt, listAt, type Tree, textAt, treeAt, valueAt } from "./tree.ts";

/** A security context: the pod's own, or a container's. */
type Scope = { readonly at: string; readonly context: Tree };
type Check = (pod: Pod, minor: number) => readonly Offence[];

function podScope({ spec, at }: Pod): Scope {
  return { at: `${at}.securityContext`, context: treeAt(spec, "securityContext") };
}

function scopeOf({ body, at }: Container): Scope {
  return { at: `${at}.securityContext`, context: treeAt(body, "securityContext") };
}

/** An offence where what stands at `key` of a scope does not fit. */
function expectIn({ at, context }: Scope, key: string, fits: (value: unknown) => boolean, allowed: string) {
  const value = valueAt(context, ...key.split("."));
  return fits(value) ? [] : [{ field: `${at}.${key}`, value: shown(value), allowed }];
}

/** Asked of the pod and of every container: for what must not be set anywhere. */
function everywhere(key: string, fits: (value: unknown, minor: number) => boolean, allowed: string): Check {
  return (pod, minor) =>
    [podScope(pod), ...pod.containers.map(scopeOf)].flatMap((scope) =>
      expectIn(scope, key, (value) => fits(value, minor), allowed),
    );
}

/** Asked of every container. */
function inContainers(key: string, fits: (value: unknown) => boolean, allowed: string): Check {
  return (pod) => pod.containers.flatMap((container) => expectIn(scopeOf(container), key, fits, allowed));
}

/** A container may leave out what the pod says; what either says must fit. */
function inherited(key: string, fits: (value: unknown) => boolean, allowed: string): Check {
  return (pod) => {
    const own = podScope(pod);
    const keys = key.split(".");
    const isSet = valueAt(own.context, ...keys) !== undefined;
    const fitsOrInherits = (value: unknown) => (value === undefined ? isSet : fits(value));
    return [
      ...(isSet ? expectIn(own, key, fits, allowed) : []),
      ...pod.containers.flatMap((container) => expectIn(scopeOf(container), key, fitsOrInherits, allowed)),
    ];
  };
}

const isUnset = (value: unknown) => value === undefined;
const isUnsetOr = (...allowed: readonly unknown[]) => {
  return (value: unknown) => value === undefined || allowed.includes(value);
};
const isProfile = isUnsetOr("RuntimeDefault", "Localhost");

/** Pod Security Standards: types of SELinux; `container_engine_t` since policy version 1.31. */
const SELINUX = ["", "container_t", "container_init_t", "container_kvm_t"];

export const containerChecks: Readonly<Record<string, Check>> = {
  "run-as-non-root": inherited("runAsNonRoot", (value) => value === true, "true"),
  "run-as-user": everywhere("runAsUser", (value) => value !== 0, "any but 0"),
  seccomp: inherited(
    "seccompProfile.type",
    (value) => value !== undefined && isProfile(value),
    "RuntimeDefault | Localhost",
  ),
  "privilege-escalation": inContainers("allowPrivilegeEscalation", (value) => value === false, "false"),
  privileged: inContainers("privileged", isUnsetOr(false), "false"),
  "capabilities-drop": (pod) =>
    pod.containers.flatMap(({ at, body }) => {
      const dropped = listAt(body, "securityContext", "capabilities", "drop");
      if (dropped.includes("ALL")) return [];
      const value = valueAt(body, "securityContext", "capabilities", "drop");
      return [{ field: `${at}.securityContext.capabilities.drop`, value: shown(value), allowed: '["ALL"]' }];
    }),
  "capabilities-add": (pod) =>
    pod.containers.flatMap(({ at, body }) =>
      listAt(body, "securityContext", "capabilities", "add")
        .filter((added) => added !== "NET_BIND_SERVICE")
        .map((added) => ({
          field: `${at}.securityContext.capabilities.add`,
          value: shown(added),
          allowed: "NET_BIND_SERVICE",
        })),
    ),
  "proc-mount": inContainers("procMount", isUnsetOr("Default"), "Default"),
  "selinux-type": everywhere(
    "seLinuxOptions.type",
    (value, minor) => isUnsetOr(...SELINUX, ...(minor >= 31 ? ["container_engine_t"] : []))(value),
    SELINUX.filter((type) => type !== "").join(" | "),
  ),
  "selinux-user": everywhere("seLinuxOptions.user", isUnsetOr(""), "nothing"),
  "selinux-role": everywhere("seLinuxOptions.role", isUnsetOr(""), "nothing"),
  apparmor: everywhere("appArmorProfile.type", isProfile, "RuntimeDefault | Localhost"),
  "host-process": everywhere("windowsOptions.hostProcess", isUnsetOr(false), "false"),
  ulimits: inContainers("ulimits", isUnset, "nothing"),
  "host-ports": (pod) =>
    pod.containers.flatMap((container) =>
      elementsAt(container.body, `${container.at}.ports`, "ports")
        .filter(({ body }) => !isUnsetOr(0)(valueAt(body, "hostPort")))
        .map(({ at, body }) => ({ field: `${at}.hostPort`, value: shown(valueAt(body, "hostPort")), allowed: "0" })),
    ),
  "probe-hosts": (pod, minor) => (minor < 34 ? [] : pod.containers.flatMap(probeHosts)),
};

const HANDLERS = [
  ["livenessProbe"],
  ["readinessProbe"],
  ["startupProbe"],
  ["lifecycle", "postStart"],
  ["lifecycle", "preStop"],
];

/** Since policy version 1.34: a probe that names a host lets the kubelet ask anybody. */
function probeHosts({ body, at }: Container): readonly Offence[] {
  return HANDLERS.flatMap((path) =>
    ["httpGet", "tcpSocket"].flatMap((action) => {
      const host = textAt(body, ...path, action, "host") ?? "";
      return host === ""
        ? []
        : [{ field: [at, ...path, action, "host"].join("."), value: shown(host), allowed: "nothing" }];
    }),
  );
}

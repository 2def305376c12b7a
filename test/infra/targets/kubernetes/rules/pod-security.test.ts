import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";
import { restricted, safeSysctls } from "../../../../../infra/targets/kubernetes/rules/index.ts";
import { backup, container, deployment, gateway, migration, NAMESPACE, postgres, put } from "./objects.ts";

const AT = "spec.template.spec";
const WHY = "the restricted profile of the Pod Security Standards, which the namespace enforces, admits nothing else";
const MINOR = { kubernetesMinor: 34 };

const SELINUX = "container_t | container_init_t | container_kvm_t";
const PROFILES = "RuntimeDefault | Localhost";
const CONTAINER = `${AT}.containers[0].securityContext`;

describe("restricted Pod Security", () => {
  it("admits the deployment", () => {
    for (const kubernetesMinor of [25, 31, 36]) expect(restricted(deployment, { kubernetesMinor })).toEqual([]);
  });

  it.each<[check: string, field: string, value: unknown, allowed: string, shown?: string]>([
    ["host-namespaces", `${AT}.hostNetwork`, true, "false"],
    ["host-namespaces", `${AT}.hostPID`, true, "false"],
    ["host-namespaces", `${AT}.hostIPC`, true, "false"],
    ["run-as-non-root", `${AT}.securityContext.runAsNonRoot`, false, "true"],
    ["run-as-non-root", `${CONTAINER}.runAsNonRoot`, false, "true"],
    ["run-as-user", `${AT}.securityContext.runAsUser`, 0, "any but 0"],
    ["run-as-user", `${CONTAINER}.runAsUser`, 0, "any but 0"],
    ["seccomp", `${AT}.securityContext.seccompProfile.type`, "Unconfined", PROFILES],
    ["seccomp", `${CONTAINER}.seccompProfile.type`, "Unconfined", PROFILES],
    ["privilege-escalation", `${CONTAINER}.allowPrivilegeEscalation`, undefined, "false", "nothing"],
    ["privilege-escalation", `${CONTAINER}.allowPrivilegeEscalation`, true, "false"],
    ["privileged", `${CONTAINER}.privileged`, true, "false"],
    ["capabilities-drop", `${CONTAINER}.capabilities.drop`, ["NET_RAW"], '["ALL"]'],
    ["capabilities-drop", `${CONTAINER}.capabilities.drop`, undefined, '["ALL"]', "nothing"],
    ["capabilities-add", `${CONTAINER}.capabilities.add`, ["SYS_ADMIN"], "NET_BIND_SERVICE", '"SYS_ADMIN"'],
    ["proc-mount", `${CONTAINER}.procMount`, "Unmasked", "Default"],
    ["selinux-type", `${AT}.securityContext.seLinuxOptions.type`, "spc_t", SELINUX],
    ["selinux-user", `${CONTAINER}.seLinuxOptions.user`, "root", "nothing"],
    ["selinux-role", `${CONTAINER}.seLinuxOptions.role`, "sysadm_r", "nothing"],
    ["apparmor", `${CONTAINER}.appArmorProfile.type`, "Unconfined", PROFILES],
    ["host-process", `${AT}.securityContext.windowsOptions.hostProcess`, true, "false"],
    ["ulimits", `${CONTAINER}.ulimits`, [], "nothing"],
    ["host-ports", `${AT}.containers[0].ports[0].hostPort`, 4444, "0"],
    ["probe-hosts", `${AT}.containers[0].readinessProbe.httpGet.host`, "169.254.169.254", "nothing"],
    ["probe-hosts", `${AT}.containers[0].lifecycle.preStop.tcpSocket.host`, "10.0.0.1", "nothing"],
  ])("refuses %s at %s = %j", (check, field, value, allowed, shown = JSON.stringify(value)) => {
    expect(restricted([put(gateway, field, value)], MINOR)).toEqual([
      { rule: `restricted/${check}`, object: "Deployment/gateway", field, value: shown, allowed, why: WHY },
    ]);
  });

  it("asks every container where the pod says nothing", () => {
    const silent = put(put(gateway, `${AT}.securityContext.runAsNonRoot`, undefined), `${AT}.initContainers`, [
      container("wait"),
    ]);
    expect(restricted([silent], MINOR).map(({ rule, field }) => [rule, field])).toEqual([
      ["restricted/run-as-non-root", `${AT}.initContainers[0].securityContext.runAsNonRoot`],
      ["restricted/run-as-non-root", `${CONTAINER}.runAsNonRoot`],
    ]);
    const containers = ["initContainers", "containers"].map((role) => `${AT}.${role}[0].securityContext.runAsNonRoot`);
    const each = containers.reduce((object, field) => put(object, field, true), silent);
    expect(restricted([each], MINOR)).toEqual([]);
  });

  it("looks into the templates of every kind, and into every list of containers", () => {
    const naked = { name: "debug", image: "x", securityContext: { privileged: true } };
    const bare: Manifest = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "bare", namespace: NAMESPACE },
      spec: {
        securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
        containers: [naked],
      },
    };
    const cron = "spec.jobTemplate.spec.template.spec";
    const objects = [
      bare,
      put(postgres, `${AT}.ephemeralContainers`, [naked]),
      put(migration, `${AT}.containers[0].securityContext.privileged`, true),
      put(backup, `${cron}.initContainers[0].securityContext.privileged`, true),
    ];
    const privileged = restricted(objects, MINOR).filter(({ rule }) => rule === "restricted/privileged");
    expect(privileged.map(({ object, field }) => `${object} ${field}`)).toEqual([
      "Pod/bare spec.containers[0].securityContext.privileged",
      `StatefulSet/postgres ${AT}.ephemeralContainers[0].securityContext.privileged`,
      `Job/migration ${CONTAINER}.privileged`,
      `CronJob/backup ${cron}.initContainers[0].securityContext.privileged`,
    ]);
  });

  it("admits core volumes and claims only; images since 1.33", () => {
    const volumes = [
      { name: "a", hostPath: { path: "/" } },
      { name: "b", nfs: { server: "x", path: "/" } },
      { name: "c", image: { reference: "x" } },
      { name: "d", csi: { driver: "x" } },
    ];
    const refused = (kubernetesMinor: number) =>
      restricted([put(gateway, `${AT}.volumes`, volumes)], { kubernetesMinor }).map(({ field, value }) => [
        field,
        value,
      ]);
    expect(refused(33)).toEqual([
      [`${AT}.volumes[0]`, "a volume of type hostPath"],
      [`${AT}.volumes[1]`, "a volume of type nfs"],
    ]);
    expect(refused(32)).toEqual([...refused(33), [`${AT}.volumes[2]`, "a volume of type image"]]);
  });

  it("knows the AppArmor annotations of older clusters", () => {
    const key = "container.apparmor.security.beta.kubernetes.io/gateway";
    const annotated = (profile: string) => put(gateway, "spec.template.metadata.annotations", { [key]: profile });
    expect(restricted([annotated("runtime/default"), annotated("localhost/mine")], MINOR)).toEqual([]);
    expect(restricted([annotated("unconfined")], MINOR)).toEqual([
      {
        rule: "restricted/apparmor-annotation",
        object: "Deployment/gateway",
        field: `spec.template.metadata.annotations["${key}"]`,
        value: '"unconfined"',
        allowed: "runtime/default | localhost/*",
        why: WHY,
      },
    ]);
  });

  it("knows the type of SELinux that came with 1.31", () => {
    const typed = put(gateway, `${AT}.securityContext.seLinuxOptions.type`, "container_engine_t");
    const refused = (kubernetesMinor: number) => restricted([typed], { kubernetesMinor }).map(({ rule }) => rule);
    expect([refused(30), refused(31)]).toEqual([["restricted/selinux-type"], []]);
  });

  it("does not ask probes for their hosts before 1.34", () => {
    const named = put(gateway, `${AT}.containers[0].readinessProbe.httpGet.host`, "gateway");
    expect(restricted([named], { kubernetesMinor: 33 })).toEqual([]);
  });
});

describe("safe sysctls", () => {
  const names = (minor: number) => safeSysctls(minor).map((name) => name.replace("net.ipv4.", ""));
  const oldest = ["kernel.shm_rmid_forced", "ip_local_port_range", "ip_unprivileged_port_start"];

  it("grow with the minor", () => {
    const always = [...oldest, "ping_group_range", "tcp_syncookies"];
    const from29 = ["tcp_fin_timeout", "tcp_keepalive_intvl", "tcp_keepalive_probes", "tcp_keepalive_time"];
    const sorted = (list: readonly string[]) => list.toSorted();
    expect(sorted(names(26))).toEqual(sorted(always));
    expect(sorted(names(27))).toEqual(sorted([...always, "ip_local_reserved_ports"]));
    expect(sorted(names(29))).toEqual(sorted([...names(27), ...from29]));
    expect(sorted(names(31))).toEqual(sorted(names(29)));
    expect(sorted(names(32))).toEqual(sorted([...names(29), "tcp_rmem", "tcp_wmem"]));
    expect(sorted(names(37))).toEqual(sorted([...names(32), "tcp_notsent_lowat", "tcp_slow_start_after_idle"]));
  });

  it("are admitted exactly when they are in the list", () => {
    const all = [...safeSysctls(99), "net.core.somaxconn", "net.ipv4.tcp_tw_reuse", "vm.swappiness"];
    fc.assert(
      fc.property(fc.constantFrom(...all), fc.integer({ min: 25, max: 40 }), (name, kubernetesMinor) => {
        const object = put(gateway, `${AT}.securityContext.sysctls`, [{ name, value: "1" }]);
        const isSafe = safeSysctls(kubernetesMinor).includes(name);
        expect(restricted([object], { kubernetesMinor }).length).toBe(isSafe ? 0 : 1);
      }),
    );
  });

  it("name the key of the configuration where a newer cluster would allow it", () => {
    const object = put(gateway, `${AT}.securityContext.sysctls`, [
      { name: "net.ipv4.tcp_rmem", value: "4096 87380 6291456" },
      { name: "net.core.somaxconn", value: "4096" },
    ]);
    const allowed = safeSysctls(31).join(" | ");
    expect(restricted([object], { kubernetesMinor: 31 })).toEqual([
      {
        rule: "restricted/sysctls",
        object: "Deployment/gateway",
        field: `${AT}.securityContext.sysctls[0].name`,
        value: '"net.ipv4.tcp_rmem"',
        allowed,
        why: "safe since Kubernetes 1.32, and cluster.kubernetesMinor is 31",
      },
      {
        rule: "restricted/sysctls",
        object: "Deployment/gateway",
        field: `${AT}.securityContext.sysctls[1].name`,
        value: '"net.core.somaxconn"',
        allowed,
        why: `${WHY}; set it on the nodes`,
      },
    ]);
  });
});

/** Every port that is named or numbered somewhere is one that somebody opens. */
import type { Manifest } from "../manifest.ts";
import { type Offence, shown } from "./finding.ts";
import { selects } from "./label-selector.ts";
import { type Container, type Pod, podOf } from "./pods.ts";
import type { ReferenceCheck, Surroundings } from "./reference-check.ts";
import { podsBehind } from "./selectors.ts";
import { elementsAt, listAt, numberAt, textAt, textsAt, valueAt } from "./tree.ts";

const PROBES = [
  ["livenessProbe"],
  ["readinessProbe"],
  ["startupProbe"],
  ["lifecycle", "postStart"],
  ["lifecycle", "preStop"],
];
const ACTIONS = ["httpGet", "tcpSocket", "grpc"];

function opens(container: Container, port: unknown): boolean {
  return listAt(container.body, "ports").some(
    (one) => numberAt(one, "containerPort") === port || (typeof port === "string" && textAt(one, "name") === port),
  );
}

function podOpens(pod: Pod, port: unknown): boolean {
  return pod.containers.some((container) => opens(container, port));
}

function portsOf(pods: readonly Pod[]): string {
  const ports = pods.flatMap(({ containers }) => containers.flatMap(({ body }) => listAt(body, "ports")));
  const named = ports.map((port) => `${textAt(port, "name") ?? "unnamed"} (${numberAt(port, "containerPort")})`);
  return [...new Set(named)].join(" | ") || "nothing: no container declares a port";
}

const probes: ReferenceCheck = (manifest) => {
  const containers = podOf(manifest)?.containers ?? [];
  return containers.flatMap((container) =>
    PROBES.flatMap((path) =>
      ACTIONS.flatMap((action): readonly (Offence & { why: string })[] => {
        const port = valueAt(container.body, ...path, action, "port");
        if (port === undefined || opens(container, port)) return [];
        return [
          {
            field: [container.at, ...path, action, "port"].join("."),
            value: shown(port),
            allowed:
              listAt(container.body, "ports")
                .map((one) => `${textAt(one, "name")}`)
                .join(" | ") || "nothing",
            why: `container ${container.name} declares no such port`,
          },
        ];
      }),
    ),
  );
};

/** A name stands for one port of a pod. */
const uniqueNames: ReferenceCheck = (manifest) => {
  const pod = podOf(manifest);
  if (pod === undefined) return [];
  const ports = pod.containers.flatMap(({ body, at }) => elementsAt(body, `${at}.ports`, "ports"));
  return ports.flatMap(({ at, body }, index) => {
    const name = textAt(body, "name");
    const isTaken = name !== undefined && ports.slice(0, index).some((one) => textAt(one.body, "name") === name);
    const why = "a Service could mean either";
    return isTaken ? [{ field: `${at}.name`, value: shown(name), allowed: "a name of its own", why }] : [];
  });
};

const servicePorts: ReferenceCheck = (manifest, around) => {
  if (manifest.kind !== "Service") return [];
  const pods = podsBehind(manifest, around);
  return elementsAt(manifest, "spec.ports", "spec", "ports").flatMap(({ at, body }) => {
    const target = valueAt(body, "targetPort") ?? valueAt(body, "port");
    return pods
      .filter((pod) => !podOpens(pod, target))
      .map((pod) => ({
        field: `${at}.targetPort`,
        value: shown(target),
        allowed: portsOf([pod]),
        why: `the pods of ${pod.manifest.kind}/${pod.manifest.metadata.name} have no such port`,
      }));
  });
};

/** Named ports of a policy are those of the pods at the receiving end; a name that nobody has opens nothing. */
const policyPorts: ReferenceCheck = (manifest, around) => {
  if (manifest.kind !== "NetworkPolicy") return [];
  const beside = around.pods.filter(({ manifest: one }) => one.metadata.namespace === manifest.metadata.namespace);
  return ["ingress", "egress"].flatMap((way) =>
    elementsAt(manifest, `spec.${way}`, "spec", way).flatMap((rule) => {
      const receivers = beside.filter(({ labels }) =>
        way === "ingress"
          ? selects(valueAt(manifest, "spec", "podSelector"), labels)
          : listAt(rule.body, "to").some((peer) => selects(valueAt(peer, "podSelector"), labels)),
      );
      return elementsAt(rule.body, `${rule.at}.ports`, "ports")
        .filter(({ body }) => typeof body.port === "string" && !receivers.some((pod) => podOpens(pod, body.port)))
        .map(({ at, body }) => ({
          field: `${at}.port`,
          value: shown(body.port),
          allowed: portsOf(receivers),
          why: "no pod at the receiving end has a port of this name",
        }));
    }),
  );
};

const monitorPorts: ReferenceCheck = (manifest, { manifests, pods }) => {
  const selector = valueAt(manifest, "spec", "selector");
  const services = manifests.filter(
    ({ kind, metadata }) => kind === "Service" && selects(selector, metadata.labels ?? {}),
  );
  const scraped: Readonly<Record<string, readonly [string, readonly unknown[]]>> = {
    ServiceMonitor: ["endpoints", services.flatMap((service) => listAt(service, "spec", "ports"))],
    PodMonitor: [
      "podMetricsEndpoints",
      pods
        .filter(({ labels }) => selects(selector, labels))
        .flatMap(({ containers }) => containers.flatMap(({ body }) => listAt(body, "ports"))),
    ],
  };
  const [list, ports] = scraped[manifest.kind] ?? ["endpoints", []];
  if (!Object.hasOwn(scraped, manifest.kind)) return [];
  const names = ports.flatMap((port) => textAt(port, "name") ?? []);
  return elementsAt(manifest, `spec.${list}`, "spec", list)
    .filter(({ body }) => typeof body.port === "string" && !names.includes(body.port))
    .map(({ at, body }) => ({
      field: `${at}.port`,
      value: shown(body.port),
      allowed: names.join(" | ") || "nothing",
      why: "what is selected has no port of this name, and would not be scraped",
    }));
};

/** Backends of an Ingress or HTTPRoute: a Service of the set, by a port that it has. */
const backends: ReferenceCheck = (manifest, around) =>
  backendsOf(manifest).flatMap(({ at, name, port }) => {
    if (around.context.external.includes(`Service/${name}`)) return [];
    const service = around.manifests.find((one) => one.kind === "Service" && one.metadata.name === name);
    const ports = elementsAt(service, "spec.ports", "spec", "ports").map(({ body }) => body);
    if (ports.some((one) => one.port === port || (typeof port === "string" && one.name === port))) return [];
    const allowed = ports.map((one) => `${name}:${String(one.port)}`).join(" | ") || serviceNames(around);
    return [{ field: at, value: `${name}:${String(port)}`, allowed, why: "no Service answers to this name and port" }];
  });

function serviceNames({ manifests }: Surroundings): string {
  return manifests
    .filter(({ kind }) => kind === "Service")
    .map(({ metadata }) => metadata.name)
    .join(" | ");
}

type Backend = { readonly at: string; readonly name: string; readonly port: unknown };

/** Kubernetes, Ingress v1; Gateway API, HTTPRoute v1. */
export function backendsOf(manifest: Manifest): readonly Backend[] {
  const rules = elementsAt(manifest, "spec.rules", "spec", "rules");
  if (manifest.kind === "HTTPRoute" || manifest.kind === "GRPCRoute") {
    return rules.flatMap((rule) =>
      elementsAt(rule.body, `${rule.at}.backendRefs`, "backendRefs").map(({ at, body }) => ({
        at,
        name: textAt(body, "name") ?? "",
        port: body.port,
      })),
    );
  }
  if (manifest.kind !== "Ingress") return [];
  const paths = rules.flatMap((rule) => elementsAt(rule.body, `${rule.at}.http.paths`, "http", "paths"));
  const named = paths.map(({ at, body }) => ({
    at: `${at}.backend.service`,
    service: valueAt(body, "backend", "service"),
  }));
  const fallback = valueAt(manifest, "spec", "defaultBackend", "service");
  const all = fallback === undefined ? named : [{ at: "spec.defaultBackend.service", service: fallback }, ...named];
  return all.map(({ at, service }) => ({
    at,
    name: textsAt({ service }, "service").name ?? "",
    port: valueAt(service, "port", "number") ?? valueAt(service, "port", "name"),
  }));
}

export const portChecks: Readonly<Record<string, ReferenceCheck>> = {
  "probe-port": probes,
  "port-name": uniqueNames,
  "service-port": servicePorts,
  "policy-port": policyPorts,
  "monitor-port": monitorPorts,
  backend: backends,
};

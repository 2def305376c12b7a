/** Every host that a configuration names is one of our Services, with that port. */
import type { Manifest } from "../manifest.ts";
import { type Finding, objectOf } from "./finding.ts";
import { elementsAt, numberAt, textsOf, valueAt } from "./tree.ts";

export type HostsContext = {
  /** Who names whom, from what wrote the configuration: `ConfigMap/nginx` → gateway:4444. */
  readonly named: readonly { readonly by: string; readonly host: string; readonly port: number }[];
  /** Where the deployment stands, for names without a namespace. */
  readonly namespace: string;
  /** Suffix of the cluster's names, `cluster.local` by default in Kubernetes. */
  readonly clusterDomain: string;
  /** Hosts of somebody else: an operator's Services, managed databases. */
  readonly external: readonly string[];
};

/** Findings `hosts/port` for what the context names, and `hosts/name` for every name ending in `.svc` that ConfigMaps contain. */
export function hosts(manifests: readonly Manifest[], context: HostsContext): readonly Finding[] {
  const listed = context.named.flatMap(({ by, host, port }) =>
    judge(manifests, context, by, "named hosts", host, port),
  );
  const found = manifests
    .filter(({ kind }) => kind === "ConfigMap")
    .flatMap((manifest) =>
      [...textsOf(manifest.data, "data")].flatMap(({ at, text }) =>
        [...text.matchAll(SERVICE_NAME)].flatMap(([host, , port]) =>
          judge(
            manifests,
            context,
            objectOf(manifest),
            at,
            host.replace(/:\d+$/, ""),
            port === undefined ? null : Number(port),
          ),
        ),
      ),
    );
  return [...listed, ...found];
}

/** `gateway.mcp.svc`, `gateway-0.gateway.mcp.svc.cluster.local:4444`. Kubernetes documentation, DNS for Services and Pods. */
const SERVICE_NAME = /(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+svc((?:\.[a-z0-9-]+)*)(?::(\d{1,5}))?(?![a-z0-9-])/g;

function judge(
  manifests: readonly Manifest[],
  context: HostsContext,
  object: string,
  field: string,
  host: string,
  port: number | null,
): readonly Finding[] {
  if (context.external.includes(host)) return [];
  const services = manifests.filter(({ kind }) => kind === "Service");
  const service = services.find((one) =>
    namesOf(one, context).some((name) => host === name || isPodOf(one, host, name)),
  );
  if (service === undefined) {
    const allowed = services.map(({ metadata }) => metadata.name).join(" | ") || "nothing: there is no Service";
    return [
      { rule: "hosts/name", object, field, value: host, allowed, why: "no Service of the deployment has this name" },
    ];
  }
  const ports = elementsAt(service, "spec.ports", "spec", "ports").flatMap(({ body }) => numberAt(body, "port") ?? []);
  if (port === null || ports.includes(port)) return [];
  return [
    {
      rule: "hosts/port",
      object,
      field,
      value: `${host}:${port}`,
      allowed: ports.map((one) => `${host}:${one}`).join(" | ") || "nothing: the Service has no port",
      why: "the Service does not listen there",
    },
  ];
}

/** How a Service is called: by its name alone only from its own namespace. */
function namesOf({ metadata }: Manifest, { namespace, clusterDomain }: HostsContext): readonly string[] {
  const whole = `${metadata.name}.${metadata.namespace ?? "default"}`;
  const short = metadata.namespace === namespace ? [metadata.name] : [];
  return [...short, whole, `${whole}.svc`, `${whole}.svc.${clusterDomain}`];
}

/** A pod of a StatefulSet, by the name that a headless Service gives it. */
function isPodOf(service: Manifest, host: string, name: string): boolean {
  const isHeadless = valueAt(service, "spec", "clusterIP") === "None";
  return isHeadless && host.endsWith(`.${name}`) && !host.slice(0, -name.length - 1).includes(".");
}

/** No service that holds data can be reached from outside the cluster. */
import type { Manifest } from "../manifest.ts";
import { type Finding, objectOf, shown } from "./finding.ts";
import { backendsOf } from "./ports.ts";
import { listAt, numberAt, textAt, textsAt } from "./tree.ts";

export type ExposureContext = {
  /** Values of `app.kubernetes.io/name` of the tiers that hold data or lead to them. */
  readonly dataTiers: readonly string[];
};

/** Ports of PostgreSQL, PgBouncer, Redis and Redis Sentinel (IANA, and the projects' documentation): data under any name. */
const DATA_PORTS = [5432, 6432, 6379, 26379];

/** Findings `exposure/<how>`. */
export function exposure(manifests: readonly Manifest[], context: ExposureContext): readonly Finding[] {
  const services = manifests.filter((manifest) => manifest.kind === "Service" && isOfData(manifest, context));
  const names = services.map(({ metadata }) => metadata.name);
  return [
    ...services.flatMap(published),
    ...manifests.flatMap((manifest) =>
      backendsOf(manifest)
        .filter(({ name, port }) => names.includes(name) || DATA_PORTS.includes(Number(port)))
        .map(({ at, name, port }) =>
          findingOf("route", manifest, at, `${name}:${String(port)}`, "a Service that serves requests"),
        ),
    ),
  ];
}

function isOfData(service: Manifest, { dataTiers }: ExposureContext): boolean {
  const tiers = [textsAt(service, "spec", "selector"), service.metadata.labels ?? {}].map(
    (labels) => labels["app.kubernetes.io/name"] ?? "",
  );
  const ports = listAt(service, "spec", "ports").flatMap((port) => [
    numberAt(port, "port") ?? 0,
    numberAt(port, "targetPort") ?? 0,
  ]);
  return tiers.some((tier) => dataTiers.includes(tier)) || ports.some((port) => DATA_PORTS.includes(port));
}

function published(service: Manifest): readonly Finding[] {
  const type = textAt(service, "spec", "type") ?? "ClusterIP";
  const external = listAt(service, "spec", "externalIPs");
  return [
    ...(type === "ClusterIP" ? [] : [findingOf("type", service, "spec.type", type, "ClusterIP")]),
    ...(external.length === 0
      ? []
      : [findingOf("external-ips", service, "spec.externalIPs", shown(external), "nothing")]),
  ];
}

function findingOf(how: string, manifest: Manifest, field: string, value: string, allowed: string): Finding {
  const why = "whoever reaches a data service needs one password, and no request of theirs passes the gateway";
  return { rule: `exposure/${how}`, object: objectOf(manifest), field, value, allowed, why };
}

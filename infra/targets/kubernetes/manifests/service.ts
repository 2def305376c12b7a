/** Names under which workloads find each other. */
import type { Workload } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { metadataOf, type Site, workloadLabels, workloadSelector } from "./site.ts";

/**
 * The Service of a workload that others connect to. Headless where a client wants each replica: nginx balances over the gateway's pods
 * itself, and behind one address its kept-alive connections would never meet a new one. A StatefulSet needs a headless one.
 * Nothing waits for a Service, so that nobody spends ten seconds on each.
 */
export function service(site: Site, workload: Workload): readonly Manifest[] {
  const { shape, ports } = workload;
  if (ports.length === 0 || shape.kind === "job" || shape.kind === "schedule") return [];
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: metadataOf(site, workload.name, workloadLabels(site, workload), { "pulumi.com/skipAwait": "true" }),
      spec: {
        type: "ClusterIP",
        ...(isHeadless(workload) ? { clusterIP: "None" } : {}),
        selector: workloadSelector(site, workload),
        ports: ports.map(({ name, port }) => ({ name, port, targetPort: name, protocol: "TCP" })),
      },
    },
  ];
}

function isHeadless({ shape, addressing }: Workload): boolean {
  return shape.kind === "stateful" || addressing === "each";
}

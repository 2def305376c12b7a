/** How requests come into the cluster: an Ingress or a route of the Gateway API, to the entry of the topology. */
import type { Manifest } from "../manifest.ts";
import { commonLabels, metadataOf, type Site } from "./site.ts";

export function edge(site: Site): readonly Manifest[] {
  const { edge: configured } = site.deployment.kubernetes;
  const { workload, port } = site.topology.entry;
  if (configured.kind === "none") return [];
  if (configured.kind === "ingress") {
    const { className, host, tlsSecretName, annotations } = configured;
    return [
      {
        apiVersion: "networking.k8s.io/v1",
        kind: "Ingress",
        // Nothing depends on it, and a controller behind an address of its own never reports one.
        metadata: metadataOf(site, "edge", commonLabels(site), { ...annotations, "pulumi.com/skipAwait": "true" }),
        spec: {
          ingressClassName: className,
          tls: [{ hosts: [host], secretName: tlsSecretName }],
          rules: [
            {
              host,
              http: {
                paths: [
                  { path: "/", pathType: "Prefix", backend: { service: { name: workload, port: { number: port } } } },
                ],
              },
            },
          ],
        },
      },
    ];
  }
  const { gatewayName, gatewayNamespace, host } = configured;
  return [
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "HTTPRoute",
      metadata: metadataOf(site, "edge", commonLabels(site)),
      spec: {
        parentRefs: [{ name: gatewayName, namespace: gatewayNamespace }],
        hostnames: [host],
        rules: [
          {
            matches: [{ path: { type: "PathPrefix", value: "/" } }],
            backendRefs: [{ name: workload, port }],
            // Zero is no limit: streams last as long as their clients want, and every other limit is nginx's. GEP-1742.
            timeouts: { request: "0s" },
          },
        ],
      },
    },
  ];
}

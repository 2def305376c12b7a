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
        metadata: metadataOf(site, "edge", commonLabels(site), {
          ...limits(site),
          ...annotations,
          "pulumi.com/skipAwait": "true",
        }),
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

/**
 * Limits are nginx's, which has them from the plan: the controller before it lets everything through that nginx does, and holds nothing
 * back. For the controller of the Kubernetes project (its documentation, annotations), which would cut bodies at 1 MiB and silent streams
 * after a minute; others do not know the names. What the stack says itself is stronger.
 */
function limits({ deployment, topology }: Site): Readonly<Record<string, string>> {
  const { timeouts } = topology.plan;
  const streamS = String(Math.ceil(Math.max(timeouts.streamReadS, timeouts.lbIdleS)));
  return Object.fromEntries(
    Object.entries({
      "proxy-body-size": `${deployment.access.maxBodyMiB}m`,
      "proxy-read-timeout": streamS,
      "proxy-send-timeout": streamS,
      "proxy-connect-timeout": String(Math.ceil(timeouts.readinessS)),
      "proxy-buffering": "off",
      "proxy-request-buffering": "off",
    }).map(([name, value]) => [`nginx.ingress.kubernetes.io/${name}`, value]),
  );
}

/** What is of one target alone: Kubernetes, a Docker engine, this machine. */
import { isIP } from "node:net";
import { z } from "zod";
import { host, name, network, port } from "./words.ts";

export const kubernetes = z
  .strictObject({
    namespace: name().default("mcp"),
    context: z.string().min(1).max(253).optional().describe("Context of the kubeconfig; its current one when left out"),
    clusterDomain: host().default("cluster.local"),
    dns: z
      .strictObject({
        address: z
          .string()
          .refine((value) => isIP(value) !== 0, { error: "an IPv4 or IPv6 address" })
          .optional()
          .describe("The cluster's name server; kube-dns of kube-system by name when left out"),
        nodeLocal: z
          .string()
          .refine((value) => isIP(value) !== 0, { error: "an IPv4 or IPv6 address" })
          .default("169.254.20.10")
          .describe("NodeLocal DNSCache"),
      })
      .prefault({}),
    apiPort: port().default(6443).describe("Of the cluster's API, which instances of CloudNativePG ask"),
    podNetworks: z
      .array(network())
      .min(1)
      .default(["10.244.0.0/16"])
      .describe(
        "Addresses of pods: the gateway does not call them, and believes them about its clients. The default is a guess that has to fit the cluster",
      ),
    serviceNetworks: z
      .array(network())
      .min(1)
      .default(["10.96.0.0/12"])
      .describe(
        "Addresses of Services, which the gateway does not call. The default is a guess that has to fit the cluster",
      ),
    storageClass: name().optional().describe("The cluster's default class when left out"),
    edge: z
      .discriminatedUnion("kind", [
        z.strictObject({ kind: z.literal("none").describe("Only inside the cluster") }),
        z.strictObject({
          kind: z.literal("ingress"),
          className: name(),
          host: host(),
          tlsSecretName: name().describe("A Secret of type kubernetes.io/tls"),
          annotations: z.record(z.string(), z.string()).default({}),
          namespace: name().default("ingress-nginx").describe("Where the controller's pods are"),
        }),
        z.strictObject({
          kind: z.literal("gateway-api"),
          gatewayName: name(),
          gatewayNamespace: name(),
          host: host(),
        }),
      ])
      .prefault({ kind: "none" })
      .describe("How requests come into the cluster"),
    pullSecretName: name()
      .optional()
      .describe("A Secret of type kubernetes.io/dockerconfigjson in the namespace, for a private registry"),
    monitoring: z
      .strictObject({
        namespace: name().default("monitoring").describe("Where Prometheus runs"),
        serviceMonitors: z.boolean().default(false).describe("Needs the Prometheus operator's resource kinds"),
        rules: z.boolean().default(false).describe("A PrometheusRule; needs the Prometheus operator's resource kinds"),
        dashboards: z.boolean().default(false).describe("ConfigMaps that Grafana's sidecar reads"),
        labels: z
          .record(z.string().max(317), z.string().max(63))
          .default({})
          .describe("By which Prometheus selects its monitors and rules, as release: kube-prometheus-stack"),
      })
      .prefault({}),
    inFlightMetric: z
      .boolean()
      .default(false)
      .describe("Scale by how full admission is too; needs an adapter that serves custom metrics"),
    nodeTuning: z
      .boolean()
      .default(false)
      .describe("A privileged DaemonSet in its own namespace sets what only a node has"),
    quota: z
      .boolean()
      .default(true)
      .describe("ResourceQuota and LimitRange of the namespace, as large as the worst instant"),
    priorityClasses: z.boolean().default(true).describe("Data before pooler before gateway before jobs"),
  })
  .prefault({})
  .describe("Of the Kubernetes target");

export const docker = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .max(300)
      .optional()
      .describe("Docker's endpoint; DOCKER_HOST or the usual socket when left out"),
    bind: z
      .string()
      .refine((value) => isIP(value) !== 0, { error: "an IPv4 or IPv6 address" })
      .default("127.0.0.1")
      .describe("Address of the published ports"),
    ports: z
      .strictObject({
        nginx: port().default(8080),
        gateway: port().default(4444),
        pgbouncer: port().default(6432),
        postgres: port().default(5433),
        redis: port().default(6379),
      })
      .prefault({}),
  })
  .prefault({})
  .describe("Of the Docker target");

export const local = z
  .strictObject({
    ports: z
      .strictObject({
        nginx: port().default(8080),
        nginxStatus: port().default(8081),
        gateway: port().default(4444).describe("Of the first replica; the others follow"),
        pgbouncer: port().default(6432),
        postgres: port().default(5433),
        redis: port().default(6379),
      })
      .prefault({}),
  })
  .prefault({})
  .describe("Of the local target");

/**
 * What a stack says beside its sizing: where it runs, on which images, who may reach it, which variant of each data service. One schema;
 * the JSON Schema for editors comes from it, and nothing else reads configuration.
 */
import { isIP } from "node:net";
import { z } from "zod";

const reference = () =>
  z
    .string()
    .regex(/^[a-z0-9]+(?:[._/:-][a-z0-9]+)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/)
    .describe(
      "An image as a container engine reads it: registry/name:tag@sha256:digest; the digest is a must in production",
    );
const uid = (usual: number, whose: string) =>
  z
    .int()
    .min(1)
    .max(65_535)
    .default(usual)
    .describe(`User id the processes run as: one that the image knows (${whose})`);
const versionText = (usual: string, of: string) =>
  z
    .string()
    .regex(/^\d{1,4}\.\d{1,4}(?:\.\d{1,4})?$/)
    .default(usual)
    .describe(`Version of ${of} in the image`);
const network = () =>
  z
    .string()
    .refine(isNetwork, { error: "a network as 10.0.0.0/8 or fd00::/8" })
    .describe("A network, 10.0.0.0/8 or fd00::/8");
const port = () => z.int().min(1).max(65_535);
const name = () =>
  z
    .string()
    .regex(/^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/)
    .describe("Lower-case letters, digits and dashes, at most 63");
const host = () =>
  z
    .string()
    .regex(/^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/)
    .describe("A host name");
const rotation = () =>
  z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,40}$/)
    .default("1")
    .describe("Another word makes another value at the next update");

function isNetwork(value: string): boolean {
  const [address = "", prefix = "", ...rest] = value.split("/");
  const bits = isIP(address) === 6 ? 128 : 32;
  return rest.length === 0 && isIP(address) !== 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits;
}

const plain = (usual: string, usualUid: number, whose: string) =>
  z.strictObject({ reference: reference().default(usual), uid: uid(usualUid, whose) }).prefault({});

const images = z
  .strictObject({
    gateway: z
      .strictObject({
        reference: reference().optional().describe("Left out: built from this repository (Docker only)"),
        uid: uid(1000, "node"),
      })
      .prefault({}),
    nginx: z
      .strictObject({
        reference: reference().default("docker.io/nginxinc/nginx-unprivileged:1.28.0"),
        uid: uid(101, "nginx"),
        version: versionText("1.28.0", "nginx"),
        javascript: z
          .string()
          .regex(/^\/[A-Za-z0-9._/-]+\.so$/)
          .optional()
          .describe("Path of ngx_http_js_module.so: with it answers of the identity check are kept for a moment"),
        brotli: z
          .string()
          .regex(/^\/[A-Za-z0-9._/-]+\.so$/)
          .optional()
          .describe("Path of ngx_http_brotli_filter_module.so"),
        zstd: z
          .string()
          .regex(/^\/[A-Za-z0-9._/-]+\.so$/)
          .optional()
          .describe("Path of ngx_http_zstd_filter_module.so"),
      })
      .prefault({}),
    pgbouncer: plain("docker.io/edoburu/pgbouncer:v1.25.1-p0", 70, "postgres of Alpine"),
    postgres: plain("docker.io/library/postgres:18.1", 999, "postgres of Debian's image"),
    redis: z
      .strictObject({
        reference: reference().default("docker.io/library/redis:8.2.1"),
        uid: uid(999, "redis"),
        version: versionText("8.2.1", "Redis"),
      })
      .prefault({}),
    node: reference().default("docker.io/library/node:26-slim").describe("What the gateway's image is built on"),
  })
  .prefault({})
  .describe("Images per tier");

const exporter = (usual: string, usualPort: number) =>
  z
    .strictObject({
      reference: reference().default(usual),
      uid: uid(65_534, "nobody"),
      port: port().default(usualPort),
    })
    .optional();

const exporters = z
  .strictObject({
    postgres: exporter("quay.io/prometheuscommunity/postgres-exporter:v0.18.1", 9187),
    pgbouncer: exporter("quay.io/prometheuscommunity/pgbouncer-exporter:v0.11.0", 9127),
    redis: exporter("docker.io/oliver006/redis_exporter:v1.80.1", 9121),
    nginx: exporter("docker.io/nginx/nginx-prometheus-exporter:1.5.1", 9113),
  })
  .default({})
  .describe("Exporters that run; a data service has none of its own");

const postgres = z
  .discriminatedUnion("variant", [
    z.strictObject({
      variant: z.literal("self-contained").describe("One instance of our own, for what fits on one machine"),
    }),
    z.strictObject({
      variant: z.literal("cloudnativepg").describe("The operator's Cluster, Pooler and ScheduledBackup (Kubernetes)"),
      instances: z.int().min(1).max(9).default(3),
      imageName: reference().optional(),
      backup: z
        .strictObject({
          destination: z
            .string()
            .regex(/^(?:s3|gs|https):\/\/\S+$/)
            .describe("Where base backups and WAL go"),
          endpoint: z.string().url().optional(),
          secretName: name().describe("A Secret with ACCESS_KEY_ID and ACCESS_SECRET_KEY"),
          retentionDays: z.int().min(1).max(3650).default(30),
        })
        .optional(),
    }),
    z.strictObject({
      variant: z.literal("external").describe("A managed PostgreSQL; its passwords are secrets of the stack"),
      host: host(),
      port: port().default(5432),
      database: z.string().min(1).max(63).default("mcp"),
      user: z.string().min(1).max(63).default("gateway"),
      tls: z
        .enum(["verify-full", "require", "disable"])
        .default("verify-full")
        .describe("verify-full: encrypted and checked; require: encrypted, to whoever answers"),
      authority: z
        .string()
        .regex(/^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n\s-]+-----END CERTIFICATE-----\s*$/)
        .optional()
        .describe("Certificates, PEM, that sign the server's, where it is none of the well-known authorities"),
      networks: z.array(network()).min(1).describe("Where it is, for the network policies"),
    }),
  ])
  .prefault({ variant: "self-contained" })
  .describe("Which PostgreSQL");

const redis = z
  .discriminatedUnion("variant", [
    z.strictObject({ variant: z.literal("self-contained") }),
    z.strictObject({
      variant: z.literal("external").describe("A managed Redis; its URL is a secret of the stack"),
      port: port().default(6379),
      networks: z.array(network()).min(1).describe("Where it is, for the network policies"),
    }),
    z.strictObject({
      variant: z.literal("sentinel").describe("A Redis that Sentinels watch; its URL is a secret of the stack"),
      sentinelPort: port().default(26_379),
      port: port().default(6379),
      networks: z.array(network()).min(1).describe("Where Sentinels and Redis are, for the network policies"),
    }),
    z.strictObject({
      variant: z.literal("cluster").describe("A Redis Cluster; its URL is a secret of the stack"),
      port: port().default(6379),
      networks: z.array(network()).min(1).describe("Where its nodes are, for the network policies"),
    }),
  ])
  .prefault({ variant: "self-contained" })
  .describe("Which Redis");

const access = z
  .strictObject({
    hosts: z
      .array(host())
      .default([])
      .describe("Names under which clients address the gateway, besides loopback names"),
    origins: z.array(z.string().max(300)).default([]).describe("Origins of browser pages that may call"),
    adminEmail: z
      .string()
      .min(3)
      .max(254)
      .default("admin@example.com")
      .describe("The caller with this email is an administrator"),
    trustedProxies: z.array(network()).default([]).describe("Balancers whose X-Forwarded-For is believed"),
    limits: z
      .strictObject({
        requestsPerSecond: z.int().min(1).max(1_000_000).default(100),
        burst: z.int().min(1).max(1_000_000).default(200),
        connections: z.int().min(1).max(1_000_000).default(100),
      })
      .prefault({})
      .describe("Of one client address, at nginx"),
    maxBodyMiB: z.int().min(1).max(1024).default(4).describe("Largest request body"),
  })
  .prefault({})
  .describe("Who may come in, and how");

const upstreams = z
  .strictObject({
    exampleServer: z.boolean().default(false).describe("Register the example server that comes with the gateway"),
    servers: z
      .record(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/), z.looseObject({}))
      .default({})
      .describe("MCP servers, in the mcpServers form of MCP clients; no secrets: those come as registered credentials"),
    networks: z
      .array(network())
      .default([])
      .describe("Private networks that the gateway may reach, besides the public Internet"),
    ports: z.array(port()).min(1).default([80, 443]).describe("Ports of MCP servers"),
  })
  .prefault({})
  .describe("What is behind the gateway");

const secrets = z
  .strictObject({
    database: rotation(),
    redis: rotation(),
    signing: rotation(),
    metrics: rotation(),
  })
  .prefault({})
  .describe("Versions of the secrets that the stack makes: change one to rotate it");

const kubernetes = z
  .strictObject({
    namespace: name().default("mcp"),
    context: z.string().min(1).max(253).optional().describe("Context of the kubeconfig; its current one when left out"),
    clusterDomain: host().default("cluster.local"),
    dns: z
      .strictObject({
        address: z
          .string()
          .refine((value) => isIP(value) !== 0, { error: "an IPv4 or IPv6 address" })
          .default("10.96.0.10")
          .describe("The cluster's name server"),
        nodeLocal: z
          .string()
          .refine((value) => isIP(value) !== 0, { error: "an IPv4 or IPv6 address" })
          .default("169.254.20.10")
          .describe("NodeLocal DNSCache"),
      })
      .prefault({}),
    apiPort: port().default(6443).describe("Of the cluster's API, which instances of CloudNativePG ask"),
    podNetworks: z.array(network()).min(1).default(["10.244.0.0/16"]).describe("Addresses of pods"),
    serviceNetworks: z.array(network()).min(1).default(["10.96.0.0/12"]).describe("Addresses of Services"),
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
    monitoring: z
      .strictObject({
        namespace: name().default("monitoring").describe("Where Prometheus runs"),
        serviceMonitors: z.boolean().default(false).describe("Needs the Prometheus operator's resource kinds"),
        rules: z.boolean().default(false).describe("A PrometheusRule; needs the Prometheus operator's resource kinds"),
        dashboards: z.boolean().default(false).describe("ConfigMaps that Grafana's sidecar reads"),
      })
      .prefault({}),
    inFlightMetric: z
      .boolean()
      .default(false)
      .describe("Scale by requests in flight too; needs an adapter that serves custom metrics"),
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

const docker = z
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

const local = z
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

export const deploymentSchema = z.strictObject({
  target: z.enum(["kubernetes", "docker", "local"]).describe("What the topology becomes"),
  images,
  exporters,
  postgres,
  redis,
  access,
  upstreams,
  secrets,
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info").describe("The gateway's log"),
  kubernetes,
  docker,
  local,
});

export type Deployment = z.infer<typeof deploymentSchema>;

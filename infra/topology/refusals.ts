/** What a stack may not ask for, found before anything is registered: each with the key to change and what is allowed. */
import type { DeploymentRefusal } from "./compose.ts";
import type { Topology } from "./model.ts";
import { containsNetwork, overlaps } from "./network.ts";
import type { Site } from "./site.ts";

const DIGEST = /@sha256:[0-9a-f]{64}$/;

/** All of them at once, so that nobody has to ask again and again. */
export function refusalsOf(site: Site, environment: Topology["environment"]): readonly DeploymentRefusal[] {
  return [
    ...ofPooler(site),
    ...ofVariants(site),
    ...ofRecords(site),
    ...ofUserNetworks(site),
    ...ofEdge(site),
    ...ofMonitoring(site),
    ...ofImages(site, environment),
    ...ofVersions(site),
    ...ofGround(site),
  ];
}

function refusal(key: string, value: unknown, allowed: string, why: string): DeploymentRefusal {
  return { key, value, allowed, why };
}

/** The stack has one database with one user: more pools would be numbers that nothing uses. */
function ofPooler({ plan, deployment }: Site): readonly DeploymentRefusal[] {
  const { pgbouncer } = plan;
  if (pgbouncer === null) return [];
  const one = (key: "databases" | "users", why: string) =>
    pgbouncer[key] === 1 ? [] : [refusal(`sizing.database.pgbouncer.${key}`, pgbouncer[key], "1", why)];
  return [
    ...one("databases", "the stack has one database"),
    ...one("users", "the gateway comes as one user"),
    ...(pgbouncer.forcedUser
      ? []
      : [refusal("sizing.database.pgbouncer.forcedUser", false, "true", "every client of the pooler is the gateway")]),
    ...(deployment.postgres.variant === "cloudnativepg" && pgbouncer.instances > 99
      ? [refusal("sizing.database.pgbouncer.instances", pgbouncer.instances, "99 at most", "CloudNativePG's Pooler")]
      : []),
  ];
}

function ofVariants({ deployment, ground, plan }: Site): readonly DeploymentRefusal[] {
  const { postgres, exporters } = deployment;
  const isKubernetes = ground.target === "kubernetes";
  return [
    ...(postgres.variant === "cloudnativepg" && !isKubernetes
      ? [
          refusal(
            "deployment.postgres.variant",
            postgres.variant,
            "self-contained or external",
            "the operator runs in Kubernetes only",
          ),
        ]
      : []),
    ...(postgres.variant === "external" && postgres.authority !== undefined && postgres.tls !== "verify-full"
      ? [refusal("deployment.postgres.tls", postgres.tls, "verify-full, or no authority", "nobody is checked by it")]
      : []),
    ...(ground.target === "local" && Object.values(exporters).some((one) => one !== undefined)
      ? [refusal("deployment.exporters", Object.keys(exporters), "none", "the local target runs no exporters")]
      : []),
    ...oneReplicaOf("nginx", exporters.nginx !== undefined, plan.nginx.replicas),
    ...oneReplicaOf("pgbouncer", exporters.pgbouncer !== undefined, plan.pgbouncer?.instances ?? 1),
  ];
}

/** An exporter asks one address: behind it every scrape would meet another replica, and counters would jump back and forth. */
function oneReplicaOf(of: "nginx" | "pgbouncer", isWanted: boolean, replicas: number): readonly DeploymentRefusal[] {
  if (!isWanted || replicas === 1) return [];
  const why = `${replicas} replicas share one address, and a rate over several counters in turn is no rate`;
  return [refusal(`deployment.exporters.${of}`, `${replicas} replicas`, "left out, or one replica", why)];
}

/** The plan was held to its audit trail: what it says is written down. */
function ofRecords({ deployment, plan }: Site): readonly DeploymentRefusal[] {
  if (deployment.gateway.records.audit !== "none" || !plan.security.auditTrail) return [];
  return [
    refusal(
      "deployment.gateway.records.audit",
      "none",
      "changes or calls, or left out",
      "sizing.security.auditTrail is true, as it has to be in production",
    ),
  ];
}

/** This machine (RFC 1122 section 3.2.1.3: 0.0.0.0 too), and the links on which clouds hand out the node's credentials (RFC 3927, RFC 4291). */
const NOBODYS = ["127.0.0.0/8", "0.0.0.0/8", "169.254.0.0/16", "::1/128", "::/128", "fe80::/10"];

/** Users are let into a part of what the gateway reaches, and never to the gateway's own machine. */
function ofUserNetworks({ deployment: { upstreams } }: Site): readonly DeploymentRefusal[] {
  return upstreams.userNetworks.flatMap((network, at) => {
    const key = `deployment.upstreams.userNetworks[${at}]`;
    const nobodys = NOBODYS.find((one) => overlaps(one, network));
    if (nobodys !== undefined)
      return [
        refusal(key, network, `networks without ${nobodys}`, "it is loopback or link-local: no upstream of a user"),
      ];
    if (upstreams.networks.some((one) => containsNetwork(one, network))) return [];
    const allowed = `a network of deployment.upstreams.networks (${upstreams.networks.join(", ") || "none"}), or a part of one`;
    return [refusal(key, network, allowed, "users reach nothing that the gateway may not")];
  });
}

/** Behind a balancer that is not believed every client has the balancer's address, and the limits of one are those of all together. */
function ofEdge({ deployment, ground }: Site): readonly DeploymentRefusal[] {
  const { edge } = deployment.kubernetes;
  if (ground.target !== "kubernetes" || edge.kind === "none" || deployment.access.trustedProxies.length > 0) return [];
  return [
    refusal(
      "deployment.access.trustedProxies",
      [],
      `the networks of the ${edge.kind}'s pods, as in deployment.kubernetes.podNetworks`,
      "requests come through it, and limits are of one client",
    ),
  ];
}

/** Prometheus reaches what it is told to read, and nothing else. */
function ofMonitoring({ deployment, ground, plan }: Site): readonly DeploymentRefusal[] {
  const { monitoring, inFlightMetric } = deployment.kubernetes;
  if (ground.target !== "kubernetes") return [];
  const isUnread = !monitoring.serviceMonitors;
  const needed = (key: string, isWanted: boolean) =>
    isWanted && isUnread
      ? [
          refusal(
            `deployment.kubernetes.${key}`,
            true,
            "false, or deployment.kubernetes.monitoring.serviceMonitors: true",
            "nobody reads the counters that it needs",
          ),
        ]
      : [];
  return [
    ...needed("inFlightMetric", inFlightMetric),
    ...needed("monitoring.rules", monitoring.rules),
    ...needed("monitoring.dashboards", monitoring.dashboards),
    ...(inFlightMetric && !plan.autoscaling.enabled
      ? [
          refusal(
            "deployment.kubernetes.inFlightMetric",
            true,
            "false, or sizing.gateway.hpa: true",
            "nothing scales by it",
          ),
        ]
      : []),
  ];
}

function ofImages({ deployment, ground }: Site, environment: Topology["environment"]): readonly DeploymentRefusal[] {
  const { images } = deployment;
  if (ground.target === "local") return [];
  const gateway = images.gateway.reference;
  const missing =
    gateway === undefined && ground.target === "kubernetes"
      ? [refusal("deployment.images.gateway.reference", undefined, "an image by digest", "a cluster builds no images")]
      : [];
  if (environment !== "prod") return missing;
  const used = [
    ["images.gateway", gateway] as const,
    ["images.nginx", images.nginx.reference] as const,
    ...usedData(deployment),
    ...Object.entries(deployment.exporters).map(([name, one]) => [`exporters.${name}`, one?.reference] as const),
  ].map(([of, reference]) => [`${of}.reference`, reference] as const);
  const { postgres } = deployment;
  const operated =
    postgres.variant === "cloudnativepg" ? [["postgres.imageName", postgres.imageName ?? ""] as const] : [];
  const loose = [...used, ...operated].flatMap(([key, reference]) =>
    reference === undefined || DIGEST.test(reference)
      ? []
      : [
          refusal(
            `deployment.${key}`,
            reference === "" ? undefined : reference,
            "…@sha256:<64 hexadecimal digits>",
            "a tag may become another image; in production every image is named by its digest",
          ),
        ],
  );
  return [...missing, ...loose];
}

function usedData({ images, postgres, redis }: Site["deployment"]): readonly (readonly [string, string])[] {
  return [
    ...(postgres.variant === "cloudnativepg" ? [] : [["images.pgbouncer", images.pgbouncer.reference] as const]),
    ...(postgres.variant === "self-contained" ? [["images.postgres", images.postgres.reference] as const] : []),
    ...(redis.variant === "self-contained" ? [["images.redis", images.redis.reference] as const] : []),
  ];
}

/** Repositories whose tags begin with the version of what is in them. */
const VERSIONED = /(?:^|\/)(?:nginx|nginx-unprivileged|pgbouncer|postgres|redis):v?(\d+(?:\.\d+)*)/;

/** Files are written for a version, and found in its directories: an image of another one would not start. */
function ofVersions({ deployment, ground, plan }: Site): readonly DeploymentRefusal[] {
  if (ground.target === "local") return [];
  const { images, postgres, redis } = deployment;
  const written: readonly (readonly [image: string, reference: string, key: string, version: string])[] = [
    ["images.nginx", images.nginx.reference, "deployment.images.nginx.version", images.nginx.version],
    ...(redis.variant === "self-contained"
      ? [["images.redis", images.redis.reference, "deployment.images.redis.version", images.redis.version] as const]
      : []),
    ...(postgres.variant === "self-contained"
      ? [
          [
            "images.postgres",
            images.postgres.reference,
            "sizing.database.postgres.version",
            String(plan.postgres.version),
          ] as const,
        ]
      : []),
    ...(plan.pgbouncer !== null && postgres.variant !== "cloudnativepg"
      ? [
          [
            "images.pgbouncer",
            images.pgbouncer.reference,
            "sizing.database.pgbouncer.version",
            plan.pgbouncer.version,
          ] as const,
        ]
      : []),
  ];
  return written.flatMap(([image, reference, key, version]) => {
    const tagged = VERSIONED.exec(reference)?.[1];
    if (tagged === undefined || isSameVersion(tagged, version)) return [];
    return [refusal(key, version, `that of the image, ${tagged}`, `deployment.${image}.reference is ${reference}`)];
  });
}

/** As far as both say it. */
function isSameVersion(one: string, other: string): boolean {
  const [shorter = [], longer = []] = [one.split("."), other.split(".")].toSorted((a, b) => a.length - b.length);
  return shorter.every((part, at) => part === longer[at]);
}

/** Ports that would meet on one machine. */
function ofGround({ ground, deployment }: Site): readonly DeploymentRefusal[] {
  const { docker, local } = deployment;
  if (ground.target === "docker") return ofMeeting("deployment.docker.ports", Object.entries(docker.ports));
  if (ground.target !== "local") return [];
  const { ports } = ground;
  const all: readonly (readonly [string, number])[] = [
    ...Object.entries(local.ports).filter(([name]) => name !== "gateway"),
    ...ports.gateways.map((port, at) => [at === 0 ? "gateway" : `gateway + ${at}`, port] as const),
  ];
  const key = "deployment.local.ports";
  const outside = all.filter(([, port]) => port < 1024 || port > 65_535);
  const others = all.filter((one) => !outside.includes(one));
  return [
    ...outside.map(([name, port]) => refusal(`${key}.${name}`, port, "1024 to 65535", "nothing here runs as root")),
    ...ofMeeting(key, others),
  ];
}

function ofMeeting(key: string, ports: readonly (readonly [string, number])[]): readonly DeploymentRefusal[] {
  return ports.flatMap(([name, port], at) => {
    const [other] = ports.slice(0, at).find(([, one]) => one === port) ?? [];
    if (other === undefined) return [];
    return [refusal(`${key}.${name}`, port, "a port of its own", `${other} has it already`)];
  });
}

/** One line per refusal. */
export function refusalText({ key, value, allowed, why }: DeploymentRefusal): string {
  return `${key} is ${value === undefined ? "not there" : JSON.stringify(value)}; allowed: ${allowed} (${why})`;
}

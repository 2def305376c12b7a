/** What a stack may not ask for: each refusal with its whole text. */
import { describe, expect, it } from "vitest";
import { built, refused, stackFile } from "./stacks.ts";

describe("what cannot be built is refused with the key", () => {
  const images = Object(stackFile("prod").deployment).images;

  it("an image by tag in production", () => {
    expect(refused("prod", { deployment: { images: { ...images, redis: {} } } })).toBe(
      'stack prod cannot be built:\n  deployment.images.redis.reference is "docker.io/library/redis:8.2.1"; allowed: …@sha256:<64 hexadecimal digits> (a tag may become another image; in production every image is named by its digest)',
    );
  });

  it("CloudNativePG's image by tag in production, or left to the operator", () => {
    const imageName = "ghcr.io/cloudnative-pg/postgresql:18.1";
    expect(refused("prod", { deployment: { postgres: { variant: "cloudnativepg", imageName } } })).toContain(
      `\n  deployment.postgres.imageName is "${imageName}"; allowed: …@sha256:`,
    );
    expect(refused("prod", { deployment: { postgres: { variant: "cloudnativepg" } } })).toContain(
      "\n  deployment.postgres.imageName is not there; allowed: …@sha256:",
    );
  });

  it("an image of another version than files are written for, where its tag says so", () => {
    const at = (reference: string, more: object = {}) => ({ images: { nginx: { reference, ...more } } });
    expect(refused("dev", { deployment: at("docker.io/library/nginx:1.26-alpine") })).toBe(
      'stack dev cannot be built:\n  deployment.images.nginx.version is "1.28.0"; allowed: that of the image, 1.26 (deployment.images.nginx.reference is docker.io/library/nginx:1.26-alpine)',
    );
    expect(refused("dev", { deployment: { images: { postgres: { reference: "postgres:17.2" } } } })).toContain(
      '\n  sizing.database.postgres.version is "18"; allowed: that of the image, 17.2',
    );
    for (const deployment of [
      at("docker.io/library/nginx:1.26-alpine", { version: "1.26.3" }),
      at("docker.io/library/nginx:stable"),
      at("registry.example/my-proxy:7"),
      { images: { pgbouncer: { reference: "edoburu/pgbouncer:v1.25.2-p0" } } },
    ])
      expect(built("dev", { deployment }).topology.workloads).not.toEqual([]);
  });

  it("a balancer in front that nobody believes", () => {
    expect(refused("prod", { deployment: { access: { hosts: ["mcp.example.com"] } } })).toBe(
      "stack prod cannot be built:\n  deployment.access.trustedProxies is []; allowed: the networks of the ingress's pods, as in deployment.kubernetes.podNetworks (requests come through it, and limits are of one client)",
    );
  });

  it("no audit trail where the plan was held to one", () => {
    const gateway = { records: { audit: "none" } };
    expect(refused("prod", { deployment: { gateway } })).toBe(
      'stack prod cannot be built:\n  deployment.gateway.records.audit is "none"; allowed: changes or calls, or left out (sizing.security.auditTrail is true, as it has to be in production)',
    );
    expect(refused("dev", { sizing: { security: { auditTrail: true } }, deployment: { gateway } })).toContain(
      '\n  deployment.gateway.records.audit is "none"; allowed: changes or calls, or left out',
    );
  });

  it.each(["dev", "local", "prod"])(
    "of %s: users in networks that the gateway may not reach, or on its own machine",
    (stack) => {
      const upstreams = {
        networks: ["10.20.0.0/16", "0.0.0.0/0"],
        userNetworks: [
          "10.20.0.0/16",
          "127.0.0.1/32",
          "169.254.169.254/32",
          "0.0.0.0/0",
          "::1/128",
          "fe80::/64",
          "fd20::/64",
        ],
      };
      const key = "deployment.upstreams.userNetworks";
      const why = "(it is loopback or link-local: no upstream of a user)";
      expect(refused(stack, { deployment: { upstreams } })).toBe(
        [
          `stack ${stack} cannot be built:`,
          `  ${key}[1] is "127.0.0.1/32"; allowed: networks without 127.0.0.0/8 ${why}`,
          `  ${key}[2] is "169.254.169.254/32"; allowed: networks without 169.254.0.0/16 ${why}`,
          `  ${key}[3] is "0.0.0.0/0"; allowed: networks without 127.0.0.0/8 ${why}`,
          `  ${key}[4] is "::1/128"; allowed: networks without ::1/128 ${why}`,
          `  ${key}[5] is "fe80::/64"; allowed: networks without fe80::/10 ${why}`,
          `  ${key}[6] is "fd20::/64"; allowed: a network of deployment.upstreams.networks (10.20.0.0/16, 0.0.0.0/0), or a part of one (users reach nothing that the gateway may not)`,
        ].join("\n"),
      );
    },
  );

  it("what needs counters that nobody reads", () => {
    const kubernetes = { inFlightMetric: true, monitoring: { rules: true, dashboards: true } };
    const why =
      "allowed: false, or deployment.kubernetes.monitoring.serviceMonitors: true (nobody reads the counters that it needs)";
    expect(refused("prod", { deployment: { kubernetes } })).toBe(
      [
        "stack prod cannot be built:",
        `  deployment.kubernetes.inFlightMetric is true; ${why}`,
        `  deployment.kubernetes.monitoring.rules is true; ${why}`,
        `  deployment.kubernetes.monitoring.dashboards is true; ${why}`,
      ].join("\n"),
    );
  });

  it("an authority by which nobody is checked", () => {
    const authority = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    const postgres = {
      variant: "external",
      host: "db.example.com",
      networks: ["203.0.113.0/24"],
      tls: "require",
      authority,
    };
    expect(refused("prod", { deployment: { postgres } })).toBe(
      'stack prod cannot be built:\n  deployment.postgres.tls is "require"; allowed: verify-full, or no authority (nobody is checked by it)',
    );
  });

  it("an operator outside Kubernetes, ports that meet, a port of root", () => {
    expect(refused("dev", { deployment: { postgres: { variant: "cloudnativepg" } } })).toBe(
      'stack dev cannot be built:\n  deployment.postgres.variant is "cloudnativepg"; allowed: self-contained or external (the operator runs in Kubernetes only)',
    );
    expect(refused("dev", { deployment: { docker: { ports: { redis: 8080 } } } })).toBe(
      "stack dev cannot be built:\n  deployment.docker.ports.redis is 8080; allowed: a port of its own (nginx has it already)",
    );
    expect(refused("local", { deployment: { local: { ports: { redis: 4445, nginx: 80 } } } })).toBe(
      "stack local cannot be built:\n  deployment.local.ports.nginx is 80; allowed: 1024 to 65535 (nothing here runs as root)\n  deployment.local.ports.gateway + 1 is 4445; allowed: a port of its own (redis has it already)",
    );
  });

  it("a plan that does not hold, with its whole text", () => {
    const { database } = Object(stackFile("prod").sizing);
    const text = refused("prod", {
      sizing: { database: { ...database, postgres: { cpu: 8, memory: "32Gi", ceiling: 20 } } },
    });
    expect(text).toMatch(/^REFUSED|does not hold/);
    expect(text).toContain("max_connections");
  });

  it("exporters that would ask several replicas in turn", () => {
    expect(refused("dev", { sizing: { ...twoOfNginx() }, deployment: { exporters: { nginx: {} } } })).toContain(
      '\n  deployment.exporters.nginx is "2 replicas"; allowed: left out, or one replica (2 replicas share one address, and a rate over several counters in turn is no rate)',
    );
  });
});

function twoOfNginx() {
  return { nginx: { ...Object(stackFile("dev").sizing).nginx, replicas: 2 } };
}

/**
 * What a stack says beside its sizing: where it runs, on which images, who may reach it, which variant of each data service. One schema;
 * the JSON Schema for editors comes from it, and nothing else reads configuration.
 */
import { z } from "zod";
import { LIMIT_FORM, limitRule, QUOTA_FORM, quotaRule } from "../../contract/limit-rules.ts";
import { postgres, redis } from "./deployment/data.ts";
import { gateway } from "./deployment/gateway.ts";
import { exporters, images } from "./deployment/images.ts";
import { docker, kubernetes, local } from "./deployment/platforms.ts";
import { host, limit, network, port, rotation } from "./deployment/words.ts";

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
    trustedProxies: z
      .array(network())
      .default([])
      .describe("Balancers in front of nginx whose X-Forwarded-For is believed; the gateway believes nginx"),
    limits: z
      .strictObject({
        requestsPerSecond: z.int().min(1).max(1_000_000).default(100),
        burst: z.int().min(1).max(1_000_000).default(200),
        connections: z.int().min(1).max(1_000_000).default(100),
      })
      .prefault({})
      .describe("Of one client address, at nginx"),
    rateLimits: z
      .array(limit(limitRule, LIMIT_FORM))
      .default([])
      .describe(
        "Of callers, tools and upstreams, at the gateway and for all of its replicas together: principal=600/min",
      ),
    quotas: z
      .array(limit(quotaRule, QUOTA_FORM))
      .default([])
      .describe("As rateLimits, by the calendar of UTC: team=100000/month"),
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
    userNetworks: z
      .array(network())
      .default([])
      .describe(
        "Those of `networks`, or parts of them, in which users too may name upstreams; other private addresses are the stack's to declare",
      ),
    ports: z.array(port()).min(1).default([80, 443]).describe("Ports of MCP servers"),
  })
  .prefault({})
  .describe("What is behind the gateway");

const secrets = z
  .strictObject({
    database: rotation(),
    pooler: rotation(),
    redis: rotation(),
    signing: rotation(),
    metrics: rotation(),
    tls: rotation(),
  })
  .prefault({})
  .describe("Versions of the secrets that the stack makes: change one to rotate it");

export const deploymentSchema = z.strictObject({
  target: z.enum(["kubernetes", "docker", "local"]).describe("What the topology becomes"),
  images,
  exporters,
  postgres,
  redis,
  access,
  gateway,
  upstreams,
  secrets,
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info").describe("The gateway's log"),
  kubernetes,
  docker,
  local,
});

export type Deployment = z.infer<typeof deploymentSchema>;

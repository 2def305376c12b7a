/** Which PostgreSQL and which Redis: our own, an operator's, or somebody else's. */
import { z } from "zod";
import { authority, host, name, network, port, reference } from "./words.ts";

export const postgres = z
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
      authority: authority(),
      networks: z.array(network()).min(1).describe("Where it is, for the network policies"),
    }),
  ])
  .prefault({ variant: "self-contained" })
  .describe("Which PostgreSQL");

export const redis = z
  .discriminatedUnion("variant", [
    z.strictObject({ variant: z.literal("self-contained") }),
    z.strictObject({
      variant: z.literal("external").describe("A managed Redis; its URL is a secret of the stack"),
      authority: authority(),
      port: port().default(6379),
      networks: z.array(network()).min(1).describe("Where it is, for the network policies"),
    }),
    z.strictObject({
      variant: z.literal("sentinel").describe("A Redis that Sentinels watch; its URL is a secret of the stack"),
      authority: authority(),
      sentinelPort: port().default(26_379),
      port: port().default(6379),
      networks: z.array(network()).min(1).describe("Where Sentinels and Redis are, for the network policies"),
    }),
    z.strictObject({
      variant: z.literal("cluster").describe("A Redis Cluster; its URL is a secret of the stack"),
      authority: authority(),
      port: port().default(6379),
      networks: z.array(network()).min(1).describe("Where its nodes are, for the network policies"),
    }),
  ])
  .prefault({ variant: "self-contained" })
  .describe("Which Redis");

/** Which images run, of the tiers and of what reads their counters. */
import { z } from "zod";
import { port, reference, uid, versionText } from "./words.ts";

const plain = (usual: string, usualUid: number, whose: string) =>
  z.strictObject({ reference: reference().default(usual), uid: uid(usualUid, whose) }).prefault({});

export const images = z
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

export const exporters = z
  .strictObject({
    postgres: exporter("quay.io/prometheuscommunity/postgres-exporter:v0.18.1", 9187),
    pgbouncer: exporter("quay.io/prometheuscommunity/pgbouncer-exporter:v0.11.0", 9127),
    redis: exporter("docker.io/oliver006/redis_exporter:v1.80.1", 9121),
    nginx: exporter("docker.io/nginx/nginx-prometheus-exporter:1.5.1", 9113),
  })
  .default({})
  .describe("Exporters that run; a data service has none of its own");

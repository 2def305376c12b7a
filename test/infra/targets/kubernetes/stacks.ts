/** Stacks as users write them, and variants of them: what a target makes of each is judged by every rule. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { deploymentOf, sizingOf } from "../../../../infra/config.ts";
import { type BuiltStack, buildStack, ownGround } from "../../../../infra/stack.ts";

const ROOT = join(import.meta.dirname, "../../../..");
export const DIGEST = `@sha256:${"3f8d5c3c".repeat(8)}`;

type Change = Readonly<Record<string, unknown>>;

/** Objects merge; what chooses a variant, and everything else, is replaced. */
export function merged(base: unknown, change: unknown): unknown {
  if (!isObject(base) || !isObject(change) || "kind" in change || "variant" in change)
    return change === undefined ? base : change;
  const keys = [...new Set([...Object.keys(base), ...Object.keys(change)])];
  return Object.fromEntries(keys.map((key) => [key, merged(base[key], change[key])]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The committed stack `file`, with changes of its sizing and of its deployment; a key that replaces a variant replaces all of it. */
export function stackOf(file: "dev" | "prod", deployment: Change = {}, sizing: Change = {}): BuiltStack {
  const content: unknown = parse(readFileSync(join(ROOT, `Pulumi.${file}.yaml`), "utf8"));
  const result = buildStack(
    file,
    merged(sizingOf(content), sizing),
    merged(deploymentOf(content), { target: "kubernetes", ...deployment }),
    ownGround,
  );
  if (!result.ok) throw new Error(result.text);
  return result.built;
}

const gatewayImage = { images: { gateway: { reference: `registry.example/mcp-stack:1${DIGEST}` } } };
const exporter = (name: string) => ({ reference: `registry.example/${name}:1${DIGEST}` });

/** Name → stack. */
export const VARIANTS: Readonly<Record<string, () => BuiltStack>> = {
  prod: () => stackOf("prod"),
  dev: () => stackOf("dev", gatewayImage),
  "with everything optional": () =>
    stackOf("prod", {
      exporters: { postgres: exporter("postgres-exporter"), redis: exporter("redis-exporter") },
      upstreams: { networks: ["10.20.0.0/16", "fd20::/64"], servers: { files: { url: "https://files.example/mcp" } } },
      kubernetes: {
        edge: { kind: "gateway-api", gatewayName: "public", gatewayNamespace: "gateways", host: "mcp.example.com" },
        storageClass: "fast",
        nodeTuning: true,
        pullSecretName: "registry",
        monitoring: {
          serviceMonitors: true,
          rules: true,
          dashboards: true,
          labels: { release: "kube-prometheus-stack" },
        },
      },
    }),
  "one of each, watched": () =>
    stackOf("dev", {
      ...gatewayImage,
      exporters: {
        postgres: exporter("postgres-exporter"),
        pgbouncer: exporter("pgbouncer-exporter"),
        redis: exporter("redis-exporter"),
        nginx: exporter("nginx-exporter"),
      },
      kubernetes: { monitoring: { serviceMonitors: true, rules: true, dashboards: true } },
    }),
  "with nothing optional": () =>
    stackOf("dev", { ...gatewayImage, kubernetes: { quota: false, priorityClasses: false, edge: { kind: "none" } } }),
  "with managed data services": () =>
    stackOf("prod", {
      postgres: { variant: "external", host: "db.example.com", networks: ["10.50.0.0/24", "fd50::/64"] },
      redis: { variant: "external", networks: ["10.60.0.0/24", "fd60::/64"] },
    }),
  "with Sentinel": () => stackOf("prod", { redis: { variant: "sentinel", networks: ["10.60.0.0/24", "fd60::/64"] } }),
  "with CloudNativePG": () =>
    stackOf("prod", {
      postgres: {
        variant: "cloudnativepg",
        imageName: `ghcr.io/cloudnative-pg/postgresql:18.1${DIGEST}`,
        backup: { destination: "s3://backups/mcp", secretName: "backup-credentials" },
      },
    }),
  "with CloudNativePG, and no pooler": () =>
    stackOf(
      "dev",
      { ...gatewayImage, postgres: { variant: "cloudnativepg", instances: 1 } },
      { database: { mode: "direct" } },
    ),
};

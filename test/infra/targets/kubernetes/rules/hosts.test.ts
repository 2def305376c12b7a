import { describe, expect, it } from "vitest";
import { hosts } from "../../../../../infra/targets/kubernetes/rules/index.ts";
import { configMap, deployment, including, NAMESPACE, postgresService, put } from "./objects.ts";

const context = { named: [], namespace: NAMESPACE, clusterDomain: "cluster.local", external: [] };
const SERVICES = "postgres | gateway";

function find(text: string, external: readonly string[] = []): readonly string[] {
  const found = hosts(including(put(configMap, "data.LOG_LEVEL", text)), { ...context, external });
  return found.map(({ rule, object, field, value, allowed }) => `${rule} ${object} ${field}: ${value} (${allowed})`);
}

describe("hosts in configurations", () => {
  it("are Services of the deployment", () => {
    expect(hosts(deployment, context)).toEqual([]);
    const text = "server gateway.mcp.svc:4444; host=postgres.mcp.svc.cluster.local:5432, postgres-0.postgres.mcp.svc";
    expect(find(text)).toEqual([]);
  });

  it("that nobody answers to are found", () => {
    const at = "ConfigMap/gateway data.LOG_LEVEL";
    expect(find("server gatewy.mcp.svc:4444;")).toEqual([`hosts/name ${at}: gatewy.mcp.svc (${SERVICES})`]);
    expect(find("server gateway.other.svc.cluster.local;")).toEqual([
      `hosts/name ${at}: gateway.other.svc.cluster.local (${SERVICES})`,
    ]);
    expect(find("a.b.postgres.mcp.svc")).toEqual([`hosts/name ${at}: a.b.postgres.mcp.svc (${SERVICES})`]);
    expect(find("server gateway.mcp.svc:80;")).toEqual([`hosts/port ${at}: gateway.mcp.svc:80 (gateway.mcp.svc:4444)`]);
  });

  it("may be somebody else's, if the context says so; what only looks like one is not", () => {
    expect(find("host=pg-rw.mcp.svc", ["pg-rw.mcp.svc"])).toEqual([]);
    expect(find("gateway.mcp.svcs svc.example.com .svc a.svc-b")).toEqual([]);
  });

  it("that the context names are judged with their ports, by every name that a Service has", () => {
    const named = (host: string, port: number) =>
      hosts(deployment, { ...context, named: [{ by: "ConfigMap/pgbouncer", host, port }] });
    for (const host of [
      "postgres",
      "postgres.mcp",
      "postgres.mcp.svc",
      "postgres.mcp.svc.cluster.local",
      "postgres-0.postgres",
    ]) {
      expect(named(host, 5432)).toEqual([]);
    }
    expect(named("postgres", 5433)).toEqual([
      {
        rule: "hosts/port",
        object: "ConfigMap/pgbouncer",
        field: "named hosts",
        value: "postgres:5433",
        allowed: "postgres:5432",
        why: "the Service does not listen there",
      },
    ]);
    expect(named("database", 5432)).toEqual([
      {
        rule: "hosts/name",
        object: "ConfigMap/pgbouncer",
        field: "named hosts",
        value: "database",
        allowed: SERVICES,
        why: "no Service of the deployment has this name",
      },
    ]);
  });

  it("by a name alone mean the namespace of who names them, and pods only behind a headless Service", () => {
    const named = [{ by: "ConfigMap/x", host: "postgres", port: 5432 }];
    expect(hosts(deployment, { ...context, namespace: "other", named }).map(({ rule }) => rule)).toEqual([
      "hosts/name",
    ]);
    const pod = [{ by: "ConfigMap/x", host: "postgres-0.postgres", port: 5432 }];
    const objects = including(put(postgresService, "spec.clusterIP", undefined));
    expect(hosts(objects, { ...context, named: pod }).map(({ rule }) => rule)).toEqual(["hosts/name"]);
  });
});

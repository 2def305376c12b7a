import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";
import { exposure } from "../../../../../infra/targets/kubernetes/rules/index.ts";
import { deployment, gatewayService, including, NAMESPACE, postgresService, put } from "./objects.ts";

const DATA = { dataTiers: ["postgres", "pgbouncer", "redis"] };
const WHY = "whoever reaches a data service needs one password, and no request of theirs passes the gateway";

function find(changed: Manifest): readonly string[] {
  return exposure(including(changed), DATA).map(
    ({ rule, object, field, value, allowed, why }) => `${rule} ${object} ${field}: ${value} (${allowed}) ${why}`,
  );
}

describe("exposure", () => {
  it("lets requests in, and keeps data services within the cluster", () => {
    expect(exposure(including(put(gatewayService, "spec.type", "LoadBalancer")), DATA)).toEqual([]);
    expect(exposure(deployment, DATA)).toEqual([]);
  });

  it.each(["LoadBalancer", "NodePort", "ExternalName"])("finds a data service of type %s", (type) => {
    expect(find(put(postgresService, "spec.type", type))).toEqual([
      `exposure/type Service/postgres spec.type: ${type} (ClusterIP) ${WHY}`,
    ]);
  });

  it("finds addresses outside, and data under another name by its port", () => {
    expect(find(put(postgresService, "spec.externalIPs", ["203.0.113.7"]))).toEqual([
      `exposure/external-ips Service/postgres spec.externalIPs: ["203.0.113.7"] (nothing) ${WHY}`,
    ]);
    const metadata = { name: "cache", namespace: NAMESPACE };
    const spec = { type: "NodePort", ports: [{ port: 80, targetPort: 6379 }] };
    expect(find({ apiVersion: "v1", kind: "Service", metadata, spec })).toEqual([
      `exposure/type Service/cache spec.type: NodePort (ClusterIP) ${WHY}`,
    ]);
  });

  it("finds data behind a route by the port alone, whoever's the Service is", () => {
    const spec = { rules: [{ backendRefs: [{ name: "somebodys", port: 6379 }] }] };
    const metadata = { name: "edge", namespace: NAMESPACE };
    expect(find({ apiVersion: "gateway.networking.k8s.io/v1", kind: "HTTPRoute", metadata, spec })).toEqual([
      `exposure/route HTTPRoute/edge spec.rules[0].backendRefs[0]: somebodys:6379 (a Service that serves requests) ${WHY}`,
    ]);
  });

  it.each<[string, Record<string, unknown>, string]>([
    [
      "Ingress",
      { rules: [{ http: { paths: [{ backend: { service: { name: "postgres", port: { number: 5432 } } } }] } }] },
      "spec.rules[0].http.paths[0].backend.service",
    ],
    [
      "Ingress",
      { defaultBackend: { service: { name: "postgres", port: { number: 5432 } } } },
      "spec.defaultBackend.service",
    ],
    ["HTTPRoute", { rules: [{ backendRefs: [{ name: "postgres", port: 5432 }] }] }, "spec.rules[0].backendRefs[0]"],
  ])("finds data behind an %s", (kind, spec, field) => {
    const route = { apiVersion: "networking.k8s.io/v1", kind, metadata: { name: "edge", namespace: NAMESPACE }, spec };
    expect(find(route)).toEqual([
      `exposure/route ${kind}/edge ${field}: postgres:5432 (a Service that serves requests) ${WHY}`,
    ]);
  });
});

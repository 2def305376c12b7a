import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  endpointsOf,
  type JudgementContext,
  judge,
  printFinding,
} from "../../../../../infra/targets/kubernetes/rules/index.ts";
import { deployment, gateway, including, NAMESPACE, put } from "./objects.ts";

const pods = endpointsOf(deployment);
const party = (id: string) => [...pods].flatMap(([key, endpoint]) => (key === id ? [endpoint] : []));

const context: JudgementContext = {
  kubernetesMinor: 34,
  requireDigests: true,
  needsToken: [],
  dataTiers: ["postgres"],
  external: [],
  externalPods: [],
  secrets: ["k3y/with+signs="],
  hosts: { named: [], namespace: NAMESPACE, clusterDomain: "cluster.local", external: [] },
  network: {
    parties: { gateway: party("Deployment/gateway"), postgres: party("StatefulSet/postgres") },
    edges: [{ from: "gateway", to: "postgres", port: 5432, protocol: "TCP" }],
  },
};

describe("all rules", () => {
  it("have nothing to say about a deployment as it should be", () => {
    expect(judge(deployment, context)).toEqual([]);
  });

  it("say what is wrong in one sentence each", () => {
    const wrong = put(put(gateway, "spec.replicas", 3), "spec.template.spec.hostNetwork", true);
    expect(judge(including(wrong), context).map(printFinding)).toEqual([
      "Deployment/gateway: spec.template.spec.hostNetwork is true, allowed is false; the restricted profile of the Pod Security Standards, which the namespace enforces, admits nothing else (restricted/host-namespaces)",
      "Deployment/gateway: spec.replicas is 3, allowed is nothing; HorizontalPodAutoscaler/gateway owns it: both would write it in turns, and under server-side apply they conflict (autoscaling/replicas)",
    ]);
  });

  it("survive objects of any content: what they cannot read is found by the schema, or is nothing", () => {
    const names = [
      ...new Set(deployment.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`)),
      "networking.k8s.io/v1 Ingress",
    ];
    // Keys and values that the rules do ask for, where they do not belong.
    const known = fc.constantFrom(
      "spec",
      "template",
      "containers",
      "ports",
      "port",
      "selector",
      "matchLabels",
      "metadata",
      "to",
    );
    const content = fc.object({
      key: fc.oneof(known, fc.string()),
      values: [fc.constant(null), fc.integer(), fc.string()],
    });
    fc.assert(
      fc.property(fc.constantFrom(...names), content, content, (name, spec, rest) => {
        const [apiVersion = "", kind = ""] = name.split(" ");
        const odd = { ...rest, apiVersion, kind, metadata: { name: "odd", namespace: NAMESPACE }, spec };
        const found = judge([...deployment, odd], context);
        expect(found.every((one) => Object.values(one).every((text) => typeof text === "string" && text !== ""))).toBe(
          true,
        );
      }),
    );
  });
});

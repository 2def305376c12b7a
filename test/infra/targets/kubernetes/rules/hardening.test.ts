import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";
import { hardening } from "../../../../../infra/targets/kubernetes/rules/index.ts";
import { container, deployment, gateway, including, put } from "./objects.ts";

const AT = "spec.template.spec";
const CONTAINER = `${AT}.containers[0]`;
const PROD = { requireDigests: true, needsToken: [] };

function find(changed: Manifest, context = PROD): readonly string[] {
  return hardening(including(changed), context).map(
    ({ rule, object, field, value, allowed }) => `${rule} ${object} ${field}: ${value} (${allowed})`,
  );
}

describe("hardening", () => {
  it("has nothing to say about pods as they should be", () => {
    expect(hardening(deployment, PROD)).toEqual([]);
  });

  it.each<[string, string, unknown, string]>([
    ["token", `${AT}.automountServiceAccountToken`, undefined, "nothing (false)"],
    ["token", `${AT}.automountServiceAccountToken`, true, "true (false)"],
    ["service-links", `${AT}.enableServiceLinks`, undefined, "nothing (false)"],
    ["account", `${AT}.serviceAccountName`, undefined, "nothing (an account of its own)"],
    ["account", `${AT}.serviceAccountName`, "default", '"default" (an account of its own)'],
    ["read-only-root", `${CONTAINER}.securityContext.readOnlyRootFilesystem`, false, "false (true)"],
    ["digest", `${CONTAINER}.image`, "mcp/gateway:1.0", '"mcp/gateway:1.0" (name@sha256:…)'],
    ["digest", `${CONTAINER}.image`, "mcp/gateway@sha256:12", '"mcp/gateway@sha256:12" (name@sha256:…)'],
    ["pull-policy", `${CONTAINER}.imagePullPolicy`, "Always", '"Always" (IfNotPresent)'],
    ["memory", `${CONTAINER}.resources.limits.memory`, "512Mi", '"512Mi" ("256Mi")'],
    ["volume-size", `${AT}.volumes[0].emptyDir.sizeLimit`, undefined, "nothing (a quantity)"],
  ])("finds %s at %s = %j", (rule, field, value, said) => {
    expect(find(put(gateway, field, value))).toEqual([`hardening/${rule} Deployment/gateway ${field}: ${said}`]);
  });

  it("wants requests and limits, but no limit of CPU", () => {
    expect(find(put(gateway, `${CONTAINER}.resources`, { limits: { memory: "1Gi" } }))).toEqual(
      ['requests["cpu"]', 'requests["memory"]', 'requests["ephemeral-storage"]', 'limits["ephemeral-storage"]'].map(
        (field) => `hardening/resources Deployment/gateway ${CONTAINER}.resources.${field}: nothing (a quantity)`,
      ),
    );
    expect(find(put(gateway, `${CONTAINER}.resources.limits.cpu`, undefined))).toEqual([]);
  });

  it("lets a development stack have tags, but no latest", () => {
    const dev = { requireDigests: false, needsToken: [] };
    const image = `${CONTAINER}.image`;
    expect(find(put(gateway, image, "localhost:5000/mcp/gateway:1.0"), dev)).toEqual([]);
    for (const name of ["mcp/gateway", "mcp/gateway:latest", "localhost:5000/gateway"]) {
      const sentence = `hardening/tag Deployment/gateway ${image}: "${name}" (a tag or a digest, and not :latest)`;
      expect(find(put(gateway, image, name), dev)).toEqual([sentence]);
    }
  });

  it("lets those have a token that need one, and their account", () => {
    const account = deployment.find(({ kind, metadata }) => kind === "ServiceAccount" && metadata.name === "gateway");
    if (account === undefined) throw new Error("the deployment has an account for the gateway");
    const objects = including(
      put(gateway, `${AT}.automountServiceAccountToken`, true),
      put(account, "automountServiceAccountToken", undefined),
    );
    expect(hardening(objects, { requireDigests: true, needsToken: ["Deployment/gateway"] })).toEqual([]);
    expect(hardening(objects, PROD).map(({ object, field }) => `${object} ${field}`)).toEqual([
      `Deployment/gateway ${AT}.automountServiceAccountToken`,
      "ServiceAccount/gateway automountServiceAccountToken",
    ]);
  });

  it("does not ask ephemeral containers for resources, which they cannot have", () => {
    const { resources: _, ...debug } = container("debug");
    expect(find(put(gateway, `${AT}.ephemeralContainers`, [debug]))).toEqual([]);
  });

  it("wants a sidecar to say when it has started", () => {
    const sidecar = container("proxy", { restartPolicy: "Always" });
    const at = `${AT}.initContainers[0].startupProbe`;
    expect(find(put(gateway, `${AT}.initContainers`, [sidecar]))).toEqual([
      `hardening/sidecar Deployment/gateway ${at}: nothing (a probe)`,
    ]);
    expect(find(put(gateway, `${AT}.initContainers`, [{ ...sidecar, startupProbe: {} }]))).toEqual([]);
  });
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { unknownCheckingProxy } from "@pulumi/policy";
import analyzer from "@pulumi/pulumi/proto/analyzer_grpc_pb.js";
import type { AnalyzerInfo } from "@pulumi/pulumi/proto/analyzer_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { policies } from "../../infra/policies/policies.ts";
import { fallbackOf, inputFields } from "../../infra/sizing/index.ts";
import type { Manifest } from "../../infra/targets/kubernetes/manifest.ts";
import { plain, runProgram, UNKNOWN } from "./engine-double/index.ts";
import {
  budget,
  configMap,
  deployment,
  gateway,
  including,
  postgresService,
  put,
} from "./targets/kubernetes/rules/objects.ts";

const ROOT = join(import.meta.dirname, "../..");
const AT = "spec.template.spec";
const PASSWORD = "a-password-that-was-generated";

type Reported = readonly [policy: string, message: string, urn: string | undefined];

function urnOf({ kind, metadata }: Manifest, stack: string): string {
  return `urn:pulumi:${stack}::mcp-stack::kubernetes:x/v1:${kind}::${metadata.name}`;
}

type Registering = { readonly type: string; readonly name: string; readonly urn: string; readonly props: object };

/** All policies over the objects of a stack and a password. */
function ask(
  manifests: readonly Manifest[],
  stack = "prod",
  config: Record<string, unknown> = {},
): readonly Reported[] {
  const objects = manifests.map((manifest) => ({
    type: `kubernetes:x/v1:${manifest.kind}`,
    name: manifest.metadata.name,
    urn: urnOf(manifest, stack),
    props: manifest,
  }));
  const type = "random:index/randomPassword:RandomPassword";
  const password = { type, name: "p", urn: `urn:pulumi:${stack}::mcp-stack::${type}::p`, props: { result: PASSWORD } };
  return askAbout([...objects, password], config);
}

/** As Pulumi asks: each resource alone, then all together. */
function askAbout(registering: readonly Registering[], config: Record<string, unknown> = {}): readonly Reported[] {
  const resources = registering.map(({ type, name, urn, props }) => ({
    type,
    name,
    urn,
    props: unknownCheckingProxy(props),
    opts: { protect: false, ignoreChanges: [], aliases: [], customTimeouts: NO_TIMEOUTS, additionalSecretOutputs: [] },
    stackTags: new Map(),
    dependencies: [],
    propertyDependencies: {},
    isType: () => false,
    asType: () => undefined,
    getConfig: () => JSON.parse(JSON.stringify(config)),
    notApplicable: (reason?: string): never => {
      throw new Error(reason);
    },
  }));
  const reported: Reported[] = [];
  for (const policy of policies) {
    const report = (message: string, urn?: string) => void reported.push([policy.name, message, urn]);
    if ("validateStack" in policy) policy.validateStack({ ...NO_STACK, resources }, report);
    const { validateResource } = "validateResource" in policy ? policy : { validateResource: undefined };
    if (typeof validateResource !== "function") continue;
    for (const resource of resources) validateResource(resource, (message) => report(message, resource.urn));
  }
  return reported;
}

const NO_TIMEOUTS = { createSeconds: 0, updateSeconds: 0, deleteSeconds: 0 };
const NO_STACK = {
  stackTags: new Map<string, string>(),
  getConfig: <T extends object>(): T => JSON.parse("{}"),
  notApplicable: (reason?: string): never => {
    throw new Error(reason);
  },
};

describe("the policies", () => {
  it("have nothing to say about a stack as it should be", () => {
    expect(ask(deployment)).toEqual([]);
  });

  it("refuse pods beyond the restricted profile, of the minor that the pack is told", () => {
    const wrong = put(gateway, `${AT}.hostNetwork`, true);
    expect(ask(including(wrong))).toEqual([
      [
        "restricted-pods",
        "Deployment/gateway: spec.template.spec.hostNetwork is true, allowed is false; the restricted profile of the Pod Security Standards, which the namespace enforces, admits nothing else (restricted/host-namespaces)",
        urnOf(gateway, "prod"),
      ],
    ]);
    const tuned = put(gateway, `${AT}.securityContext.sysctls`, [{ name: "net.ipv4.tcp_rmem", value: "1 2 3" }]);
    expect(ask(including(tuned))).toEqual([]);
    expect(ask(including(tuned), "prod", { kubernetesMinor: 31 }).map(([policy]) => policy)).toEqual([
      "restricted-pods",
    ]);
  });

  it("let pods be privileged in a namespace that the pack is told, and only there", () => {
    const tuning = put(put(gateway, `${AT}.hostNetwork`, true), "metadata.namespace", "mcp-node-tuning");
    const judged = (privilegedNamespaces: readonly string[]) => ask([tuning], "prod", { privilegedNamespaces });
    expect(judged(["mcp-node-tuning"]).filter(([policy]) => policy === "restricted-pods")).toEqual([]);
    expect(judged(["mcp"]).filter(([policy]) => policy === "restricted-pods")).toHaveLength(1);
  });

  it("judge by the same minor as the plan where nobody says another", () => {
    const tuned = put(gateway, `${AT}.volumes`, [{ name: "i", image: { reference: "x" } }]);
    const field = inputFields.get("cluster.kubernetesMinor");
    expect(field === undefined ? undefined : fallbackOf(field, "prod")).toBe(34);
    expect(ask(including(tuned)).map(([policy]) => policy)).toEqual([]);
  });

  it("want digests where people depend on them", () => {
    const tagged = put(gateway, `${AT}.containers[0].image`, "mcp/gateway:1.0");
    expect(ask(including(tagged))).toEqual([
      [
        "digests-in-production",
        'Deployment/gateway: spec.template.spec.containers[0].image is "mcp/gateway:1.0", allowed is name@sha256:…; a tag can mean another image tomorrow; write the digest under images in the stack\'s configuration (hardening/digest)',
        urnOf(gateway, "prod"),
      ],
    ]);
    expect(ask(including(tagged), "dev")).toEqual([]);
    expect(ask(including(tagged), "dev", { developmentStacks: ["try"] })).toHaveLength(1);
  });

  it("refuse data services that can be reached from outside", () => {
    expect(ask(including(put(postgresService, "spec.type", "NodePort")))).toEqual([
      [
        "no-public-data-services",
        "Service/postgres: spec.type is NodePort, allowed is ClusterIP; whoever reaches a data service needs one password, and no request of theirs passes the gateway (exposure/type)",
        urnOf(postgresService, "prod"),
      ],
    ]);
  });

  it("refuse secrets outside Secrets: generated ones, and what stands in Secrets", () => {
    const leak = (field: string) =>
      `ConfigMap/gateway: data.${field} is a secret, allowed is a reference to a Secret; whoever may read this object, its history or a log of it may read the secret (secrets/leak)`;
    const text = `url: x:${PASSWORD}@postgres`;
    const urn = urnOf(configMap, "prod");
    expect(ask(including(put(configMap, "data", { a: text, b: "postgres://gateway@postgres:5432/mcp" })))).toEqual([
      ["no-secret-outside-secret", leak("a"), urn],
      ["no-secret-outside-secret", leak("b"), urn],
    ]);
  });

  it("refuse a budget that lets no node be drained", () => {
    const stuck = put(put(budget, "spec.maxUnavailable", undefined), "spec.minAvailable", 3);
    expect(ask(including(stuck))).toEqual([
      [
        "satisfiable-disruption",
        "PodDisruptionBudget/gateway: spec.minAvailable is 3, allowed is less than 3; better maxUnavailable: 1; with 3 replicas no pod could ever be evicted, and no node drained (disruption/satisfiable)",
        urnOf(budget, "prod"),
      ],
    ]);
  });

  it("say nothing about what a preview does not know yet", () => {
    const unknown = put(put(gateway, `${AT}.containers[0].image`, UNKNOWN), `${AT}.securityContext.runAsUser`, UNKNOWN);
    expect(ask(including(unknown))).toEqual([]);
  });
});

describe("the program of this repository", () => {
  it.each([true, false])("breaks no policy with the stack prod (preview: %s)", async (preview) => {
    const { config } = parse(readFileSync(join(ROOT, "Pulumi.prod.yaml"), "utf8"));
    const run = await runProgram({ directory: join(ROOT, "infra"), stack: "prod", config, preview });
    expect(run.exitCode).toBe(0);
    const registering = run.resources.map((one) => ({ ...one, props: Object(plain(one.inputs)) }));
    expect(registering.filter(({ type }) => type.startsWith("kubernetes:")).length).toBeGreaterThan(40);
    expect(askAbout(registering)).toEqual([]);
  });
});

describe("the policy pack", () => {
  it("is started by Pulumi's own runner, with Node running its types", async () => {
    const directory = join(ROOT, "infra/policies");
    const runner = join(ROOT, "node_modules/@pulumi/pulumi/cmd/run-policy-pack");
    // No engine listens at port 1: the pack asks it nothing.
    const args = ["--import", join(directory, "runner.ts"), runner, "127.0.0.1:1", directory];
    const child = spawn(process.execPath, args, { cwd: directory, stdio: ["ignore", "pipe", "inherit"] });
    try {
      const [port] = await once(child.stdout, "data");
      const client = new analyzer.AnalyzerClient(`127.0.0.1:${String(port).trim()}`, credentials.createInsecure());
      const info = await new Promise<AnalyzerInfo>((resolve, reject) => {
        client.getAnalyzerInfo(new empty.Empty(), (error, response) =>
          error === null ? resolve(response) : reject(error),
        );
      });
      client.close();
      expect([info.getName(), info.getVersion()]).toEqual(["mcp-stack", "0.1.0"]);
      expect(info.getPoliciesList().map((policy) => [policy.getName(), policy.getEnforcementlevel()])).toEqual(
        policies.map(({ name }) => [name, 1]),
      );
    } finally {
      child.kill();
      await once(child, "close");
    }
  });
});

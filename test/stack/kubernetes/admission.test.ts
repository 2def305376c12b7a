/**
 * What an API server says to every object of every variant: its own schemas and validation, strictly, and admission with restricted Pod
 * Security, in a dry run. Only where MCP_STACK_TEST_KUBECONFIG names a cluster for tests, since namespaces are really made in it; kinds
 * that it does not know (an operator's) are left out. Nothing is started here.
 */
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Manifest } from "../../../infra/targets/kubernetes/manifest.ts";
import { kubernetesManifests } from "../../../infra/targets/kubernetes/manifests/index.ts";
import { titled } from "../../harness/index.ts";
import { VARIANTS } from "../../infra/targets/kubernetes/stacks.ts";

const kubeconfig = process.env.MCP_STACK_TEST_KUBECONFIG;

function kubectl(args: readonly string[], input = "") {
  const { status, stdout, stderr, error } = spawnSync(
    "kubectl",
    ["--kubeconfig", kubeconfig ?? "", "--request-timeout=20s", ...args],
    { input, encoding: "utf8" },
  );
  return { ok: status === 0, text: error?.message ?? `${stdout}${stderr}`, stdout };
}

function reasonToSkip(): string | undefined {
  if (kubeconfig === undefined) return "MCP_STACK_TEST_KUBECONFIG names no cluster for tests";
  const ready = kubectl(["get", "--raw", "/readyz"]);
  return ready.ok
    ? undefined
    : `the cluster of MCP_STACK_TEST_KUBECONFIG does not answer: ${ready.text.trim().slice(0, 200)}`;
}

const absent = reasonToSkip();

/** `apiVersion Kind` of everything that the cluster serves. */
function servedKinds(): ReadonlySet<string> {
  const lines = kubectl(["api-resources", "--no-headers"]).stdout.trim().split("\n");
  return new Set(
    lines.map((line) => {
      const words = line.trim().split(/\s+/);
      return `${words.at(-3)} ${words.at(-1)}`;
    }),
  );
}

/** The same objects in namespaces of this run alone. */
function inOwnNamespaces(manifests: readonly Manifest[], run: string): readonly Manifest[] {
  const own = (name: string) => `${name}-${run}`;
  return manifests.map((manifest) => ({
    ...manifest,
    metadata: {
      ...manifest.metadata,
      ...(manifest.kind === "Namespace" || manifest.metadata.namespace === undefined
        ? { name: own(manifest.metadata.name) }
        : { namespace: own(manifest.metadata.namespace) }),
    },
  }));
}

function list(items: readonly Manifest[]): string {
  return JSON.stringify({ apiVersion: "v1", kind: "List", items });
}

describe.skipIf(absent !== undefined)(titled("an API server", absent), () => {
  const run = randomUUID().slice(0, 8);
  const namespaces = ["mcp", "mcp-node-tuning"].map((name) => `${name}-${run}`);
  const served = absent === undefined ? servedKinds() : new Set<string>();
  const apply = (manifests: readonly Manifest[]) =>
    kubectl(["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"], list(manifests));
  const prepared = (variant: string) => {
    const build = VARIANTS[variant];
    if (build === undefined) throw new Error(`no variant ${variant}`);
    const { topology, deployment } = build();
    return inOwnNamespaces(kubernetesManifests(topology, deployment), run);
  };
  const isServed = ({ apiVersion, kind }: Manifest) => served.has(`${apiVersion} ${kind}`);

  beforeAll(() => {
    const made = Object.keys(VARIANTS)
      .flatMap(prepared)
      .filter(({ kind }) => kind === "Namespace");
    const unique = [...new Map(made.map((one) => [one.metadata.name, one])).values()];
    expect(unique.map(({ metadata }) => metadata.name).toSorted()).toEqual(namespaces);
    const answer = kubectl(["apply", "--server-side", "-f", "-"], list(unique));
    expect(answer.ok, answer.text).toBe(true);
  });
  afterAll(() => {
    kubectl(["delete", "namespace", "--wait=false", ...namespaces]);
  });

  it.each(Object.keys(VARIANTS))("takes every object of it: %s", (variant) => {
    const manifests = prepared(variant).filter(isServed);
    const answer = apply(manifests);
    const lines = answer.text.trim().split("\n");
    expect(lines.filter((line) => !line.endsWith("serverside-applied (server dry run)"))).toEqual([]);
    expect(lines).toHaveLength(manifests.length);
  });

  it("says so where a key is unknown, and where a pod may do too much", () => {
    const [deployment] = prepared("prod").filter(({ kind }) => kind === "Deployment");
    if (deployment === undefined) throw new Error("prod has no Deployment");
    const { spec, ...rest } = deployment;
    expect(apply([{ ...rest, spec: { ...Object(spec), replica: 3 } }]).text).toContain('unknown field "replica"');
    const template = structuredClone(Object(spec).template);
    template.spec.hostNetwork = true;
    expect(apply([{ ...rest, spec: { ...Object(spec), template } }]).text).toContain("would violate PodSecurity");
  });
});

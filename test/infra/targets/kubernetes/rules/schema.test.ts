import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";
import { printFinding, schema } from "../../../../../infra/targets/kubernetes/rules/index.ts";
import { autoscaler, backup, deployment, gateway, put, secret } from "./objects.ts";

const KEY = "the schema of this kind has no such key: an API server drops it and says nothing";

describe("schema", () => {
  it("has nothing to say about objects as they should be", () => {
    expect(schema(deployment)).toEqual([]);
  });

  it.each([
    [gateway, "spec.replica", 3, "nothing; near it is replicas"],
    [gateway, "spec.template.spec.ulimits", [], "nothing"],
    [gateway, "spec.template.spec.volumes[0].emptyDir.sizelimit", "1Gi", "nothing; near it is sizeLimit"],
    [
      backup,
      "spec.jobTemplate.spec.template.spec.containers[0].imagePullpolicy",
      "Never",
      "nothing; near it is imagePullPolicy",
    ],
    [autoscaler, "spec.behaviour", {}, "nothing; near it is behavior"],
    [secret, "metadata.label", {}, "nothing; near it is labels"],
  ])("finds the unknown key of %#", (object, field, value, allowed) => {
    expect(schema([put(object, field, value)])).toEqual([
      {
        rule: "schema/key",
        object: `${object.kind}/${object.metadata.name}`,
        field,
        value: JSON.stringify(value),
        allowed,
        why: KEY,
      },
    ]);
  });

  it("finds any key that no schema has, in every object of every depth", () => {
    const places = deployment.flatMap((object) => objectsIn(object, "").map((at) => ({ object, at })));
    const schemas = places.filter(({ object, at }) => !isOpen(object, at));
    expect(schemas.length).toBeGreaterThan(100);
    fc.assert(
      fc.property(fc.constantFrom(...schemas), fc.stringMatching(/^x[a-z]{3,8}Q$/), ({ object, at }, key) => {
        const field = at === "" ? key : `${at}.${key}`;
        expect(schema([put(object, field, "1")]).map(({ rule, field: found }) => [rule, found])).toEqual([
          ["schema/key", field],
        ]);
      }),
    );
  });

  it.each([
    [gateway, "spec.replicas", "3", "integer", '"3"'],
    [gateway, "spec.selector", undefined, "a value", "nothing"],
    [gateway, "spec.template.spec.restartPolicy", "Sometimes", "Always | Never | OnFailure", '"Sometimes"'],
    [gateway, "spec.template.spec.containers[0].name", undefined, "a value", "nothing"],
  ])("finds the wrong value of %#", (object, field, value, allowed, shown) => {
    const findings = schema([put(object, field, value)]);
    expect(findings).toEqual([
      {
        rule: "schema/value",
        object: "Deployment/gateway",
        field,
        value: shown,
        allowed,
        why: "the schema of this kind says so",
      },
    ]);
  });

  it("does not print what stands in a Secret", () => {
    const findings = schema([put(put(secret, "stringData.PIN", 4711), "data.KEY", "not base64: 4711")]);
    expect(findings.map(printFinding)).toEqual([
      "Secret/gateway: data.KEY is a secret, allowed is byte; the schema of this kind says so (schema/value)",
      "Secret/gateway: stringData.PIN is a secret, allowed is string; the schema of this kind says so (schema/value)",
    ]);
  });

  it("knows a misspelt kind or version, and leaves the inside of operators' kinds to them", () => {
    const named = (apiVersion: string, kind: string): Manifest => ({ apiVersion, kind, metadata: { name: "x" }, y: 1 });
    expect(schema([named("postgresql.cnpg.io/v1", "Cluster")])).toEqual([]);
    const wrong = [named("app/v1", "Deployment"), named("policy/v1beta1", "PodDisruptionBudget")];
    expect(schema([...wrong, named("postgresql.cnpg.io/v1", "Custer")])).toEqual(
      [
        ["Deployment/x", "app/v1 Deployment", "apps/v1 Deployment"],
        ["PodDisruptionBudget/x", "policy/v1beta1 PodDisruptionBudget", "policy/v1 PodDisruptionBudget"],
        ["Custer/x", "postgresql.cnpg.io/v1 Custer", "postgresql.cnpg.io/v1 Cluster"],
      ].map(([object, value, allowed]) => ({
        rule: "schema/kind",
        object,
        field: "apiVersion, kind",
        value,
        allowed,
        why: "nothing in a cluster answers to this apiVersion and kind",
      })),
    );
  });
});

const MODELS = join(import.meta.dirname, "../../../../../node_modules/kubernetes-models");

describe("the validators that keys are read from", () => {
  it("ask for every property of every type, but for those named description and x-kubernetes-*", () => {
    const types = globSync("**/*.d.ts", { cwd: MODELS }).filter((path) => !/_schemas|index\.d\.ts$/.test(path));
    expect(types.length).toBeGreaterThan(600);
    const unasked = types.flatMap((path) => propertiesNotAsked(path));
    const own = unasked.filter((name) => !/^\S*JSONSchemaProps (?:description|x-kubernetes-)/.test(name));
    expect(own.toSorted()).toEqual([
      "apiextensions.k8s.io/v1/CustomResourceColumnDefinition description",
      "apiextensions.k8s.io/v1/ExternalDocumentation description",
      "apiextensions.k8s.io/v1beta1/CustomResourceColumnDefinition description",
      "apiextensions.k8s.io/v1beta1/ExternalDocumentation description",
      "scheduling.k8s.io/v1/PriorityClass description",
      "scheduling.k8s.io/v1beta1/PriorityClass description",
    ]);
  });
});

/** Declared in the type, but not read by the compiled validator beside it. */
function propertiesNotAsked(path: string): readonly string[] {
  const declared = /export interface I\w+[^{]*\{\n(.*?)\n\}/s.exec(readFileSync(join(MODELS, path), "utf8"))?.[1] ?? "";
  const names = [...declared.matchAll(/^ {4}"([^"]+)"\??:/gm)].flatMap(([, name]) => name ?? []);
  const model = readFileSync(join(MODELS, path.replace(/\.d\.ts$/, ".js")), "utf8");
  const schemaFile = /_schemas\/\w+\.js/.exec(model)?.[0];
  if (schemaFile === undefined) return [];
  const validator = readFileSync(join(MODELS, schemaFile), "utf8");
  const asked = new Set([...validator.matchAll(/data(?:\.([$\w]+)|\["([^"]+)"\])/g)].map(([, a, b]) => a ?? b));
  return names.filter((name) => !asked.has(name)).map((name) => `${path.replace(/\.d\.ts$/, "")} ${name}`);
}

/** Where objects stand in `value`, itself first. */
function objectsIn(value: unknown, at: string): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((one, index) => objectsIn(one, `${at}[${index}]`));
  if (typeof value !== "object" || value === null) return [];
  const below = Object.entries(value).filter(([key]) => /^\w+$/.test(key));
  return [at, ...below.flatMap(([key, one]) => objectsIn(one, at === "" ? key : `${at}.${key}`))];
}

/** Maps, whose keys are anybody's, and objects of operators. */
function isOpen(object: Manifest, at: string): boolean {
  const maps = /(?:labels|annotations|matchLabels|selector|limits|requests|data|stringData)$/i;
  return object.kind === "ServiceMonitor" || (maps.test(at) && !(object.kind !== "Service" && /selector$/i.test(at)));
}

/** Every object that is referred to by name exists, with the key that is asked of it; every mount has its volume. */
import type { Manifest } from "../manifest.ts";
import { type Offence, shown } from "./finding.ts";
import { podOf } from "./pods.ts";
import type { ReferenceCheck, Surroundings } from "./reference-check.ts";
import { elementsAt, isTree, listAt, type Tree, textAt, treeAt, valueAt } from "./tree.ts";

type Reference = {
  readonly at: string;
  readonly kind: string;
  readonly name: string;
  readonly keys: readonly string[];
};

/** Kubernetes makes these itself. */
const BUILT_IN = [
  "PriorityClass/system-cluster-critical",
  "PriorityClass/system-node-critical",
  "ServiceAccount/default",
  "ConfigMap/kube-root-ca.crt",
];

const CLUSTER_WIDE = ["PriorityClass", "RuntimeClass", "StorageClass", "ClusterRole"];

/** Where a reference by name stands in a pod's spec, outside its lists. */
const POD_FIELDS = [
  ["serviceAccountName", "ServiceAccount"],
  ["priorityClassName", "PriorityClass"],
  ["runtimeClassName", "RuntimeClass"],
] as const;

const objects: ReferenceCheck = (manifest, around) =>
  [...podReferences(manifest), ...otherReferences(manifest)].flatMap((reference) => judge(manifest, reference, around));

function judge(from: Manifest, reference: Reference, around: Surroundings): readonly (Offence & { why: string })[] {
  const { at, kind, name, keys } = reference;
  const id = `${kind}/${name}`;
  if (BUILT_IN.includes(id) || around.context.external.includes(id)) return [];
  const isBeside = (one: Manifest) => CLUSTER_WIDE.includes(kind) || one.metadata.namespace === from.metadata.namespace;
  const ofKind = around.manifests.filter((one) => one.kind === kind && isBeside(one));
  const found = ofKind.find((one) => one.metadata.name === name);
  if (found === undefined) {
    const allowed = ofKind.map(({ metadata }) => `${kind}/${metadata.name}`).join(" | ") || "nothing";
    return [{ field: at, value: id, allowed, why: "there is no such object, and none is listed as existing already" }];
  }
  const has = ["data", "stringData", "binaryData"].flatMap((part) => Object.keys(treeAt(found, part)));
  return keys
    .filter((key) => !has.includes(key))
    .map((key) => ({
      field: at,
      value: `key ${key} of ${id}`,
      allowed: has.join(" | ") || "nothing",
      why: "the object has no such key, and the pod would not start",
    }));
}

function podReferences(manifest: Manifest): readonly Reference[] {
  const pod = podOf(manifest);
  if (pod === undefined) return [];
  const { spec, at } = pod;
  const fields = POD_FIELDS.flatMap(([field, kind]) => to(kind, textAt(spec, field), `${at}.${field}`));
  const pulls = elementsAt(spec, `${at}.imagePullSecrets`, "imagePullSecrets").flatMap((one) =>
    to("Secret", textAt(one.body, "name"), `${one.at}.name`),
  );
  const volumes = elementsAt(spec, `${at}.volumes`, "volumes").flatMap((one) => volumeReferences(one.body, one.at));
  const environment = pod.containers.flatMap(({ body, at: place }) => [
    ...elementsAt(body, `${place}.envFrom`, "envFrom").flatMap((one) => [
      ...optional("ConfigMap", one.body, one.at, "configMapRef"),
      ...optional("Secret", one.body, one.at, "secretRef"),
    ]),
    ...elementsAt(body, `${place}.env`, "env").flatMap((one) => [
      ...optional("ConfigMap", one.body, one.at, "valueFrom", "configMapKeyRef"),
      ...optional("Secret", one.body, one.at, "valueFrom", "secretKeyRef"),
    ]),
  ]);
  return [...fields, ...pulls, ...volumes, ...environment];
}

function to(kind: string, name: string | undefined, at: string, keys: readonly string[] = []): readonly Reference[] {
  return name === undefined || name === "" ? [] : [{ kind, name, at, keys }];
}

/** A reference that may say of itself that it is optional. */
function optional(kind: string, body: Tree, at: string, ...path: readonly string[]): readonly Reference[] {
  const reference = treeAt(body, ...path);
  if (reference.optional === true) return [];
  const key = textAt(reference, "key");
  return to(kind, textAt(reference, "name"), [at, ...path].join("."), key === undefined ? [] : [key]);
}

function volumeReferences(volume: Tree, at: string): readonly Reference[] {
  const sources = [volume, ...listAt(volume, "projected", "sources").filter(isTree)];
  const named = sources.flatMap((source, index) => {
    const place = index === 0 ? at : `${at}.projected.sources[${index - 1}]`;
    return [
      ...sourceReference("ConfigMap", treeAt(source, "configMap"), "name", `${place}.configMap`),
      ...sourceReference("Secret", treeAt(source, "secret"), index === 0 ? "secretName" : "name", `${place}.secret`),
    ];
  });
  const claim = textAt(volume, "persistentVolumeClaim", "claimName");
  return [...named, ...to("PersistentVolumeClaim", claim, `${at}.persistentVolumeClaim.claimName`)];
}

function sourceReference(kind: string, source: Tree, nameKey: string, at: string): readonly Reference[] {
  if (source.optional === true) return [];
  const keys = listAt(source, "items").flatMap((item) => textAt(item, "key") ?? []);
  return to(kind, textAt(source, nameKey), at, keys);
}

/** Of objects that are not about pods. */
function otherReferences(manifest: Manifest): readonly Reference[] {
  switch (manifest.kind) {
    case "StatefulSet":
      return to("Service", textAt(manifest, "spec", "serviceName"), "spec.serviceName");
    case "Ingress":
      return elementsAt(manifest, "spec.tls", "spec", "tls").flatMap(({ at, body }) =>
        to("Secret", textAt(body, "secretName"), `${at}.secretName`),
      );
    case "RoleBinding":
    case "ClusterRoleBinding":
      return [
        ...to(textAt(manifest, "roleRef", "kind") ?? "Role", textAt(manifest, "roleRef", "name"), "roleRef"),
        ...elementsAt(manifest, "subjects", "subjects")
          .filter(({ body }) => body.kind === "ServiceAccount" && body.namespace === manifest.metadata.namespace)
          .flatMap(({ at, body }) => to("ServiceAccount", textAt(body, "name"), `${at}.name`)),
      ];
    default:
      return [];
  }
}

/** Every mount has a volume, of the pod or of a claim template. */
const mounts: ReferenceCheck = (manifest) => {
  const pod = podOf(manifest);
  if (pod === undefined) return [];
  const volumes = elementsAt(pod.spec, `${pod.at}.volumes`, "volumes");
  const templates = listAt(manifest, "spec", "volumeClaimTemplates");
  const names = [
    ...volumes.flatMap(({ body }) => textAt(body, "name") ?? []),
    ...templates.flatMap((template) => textAt(template, "metadata", "name") ?? []),
  ];
  const mounted = pod.containers.flatMap(({ at, body }) => elementsAt(body, `${at}.volumeMounts`, "volumeMounts"));
  return mounted
    .filter(({ body }) => !names.includes(textAt(body, "name") ?? ""))
    .map(({ at, body }) => ({
      field: `${at}.name`,
      value: shown(valueAt(body, "name")),
      allowed: names.join(" | ") || "nothing",
      why: "the pod has no volume of this name",
    }));
};

export const referenceChecks: Readonly<Record<string, ReferenceCheck>> = { object: objects, mount: mounts };

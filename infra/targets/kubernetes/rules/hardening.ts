/** What every pod of ours has beyond what Pod Security demands: a read-only root, no token, no surprises, a size, a certain image. */
import type { Manifest } from "../manifest.ts";
import { type Finding, type Offence, objectOf, shown } from "./finding.ts";
import { type Container, isSidecar, type Pod, podsOf } from "./pods.ts";
import { elementsAt, isTree, textAt, valueAt } from "./tree.ts";

export type HardeningContext = {
  /** In production an image is what was tested: `images.*` by digest. */
  readonly requireDigests: boolean;
  /** `Kind/name` of workloads that talk to the API server and need their token. */
  readonly needsToken: readonly string[];
};

type Said = Offence & { readonly rule: string; readonly why: string };

/** Findings `hardening/<what>`. */
export function hardening(manifests: readonly Manifest[], context: HardeningContext): readonly Finding[] {
  const pods = podsOf(manifests).flatMap((pod) => {
    const said = [...identity(pod, context), ...volumes(pod), ...pod.containers.flatMap((one) => judge(one, context))];
    return said.map((one) => findingOf(pod.manifest, one));
  });
  return [...pods, ...manifests.flatMap((manifest) => tokenOfAccount(manifest, manifests, context))];
}

function findingOf(manifest: Manifest, { rule, ...offence }: Said): Finding {
  return { rule: `hardening/${rule}`, object: objectOf(manifest), ...offence };
}

const TOKEN =
  "a token for the API server is of use to whoever breaks in; list the workload in needsToken if it needs one";

function identity({ manifest, spec, at }: Pod, context: HardeningContext): readonly Said[] {
  const needsToken = context.needsToken.includes(objectOf(manifest));
  const token = expectValue(
    "token",
    `${at}.automountServiceAccountToken`,
    spec.automountServiceAccountToken,
    false,
    TOKEN,
  );
  const links = expectValue(
    "service-links",
    `${at}.enableServiceLinks`,
    spec.enableServiceLinks,
    false,
    "variables such as REDIS_PORT=tcp://… of every Service would reach the process and be taken for settings",
  );
  const account = typeof spec.serviceAccountName === "string" && spec.serviceAccountName !== "default";
  const own: Said = {
    rule: "account",
    field: `${at}.serviceAccountName`,
    value: shown(spec.serviceAccountName),
    allowed: "an account of its own",
    why: "the namespace's default account gets whatever anybody grants it",
  };
  return [...(needsToken ? [] : token), ...links, ...(account ? [] : [own])];
}

/** An account whose token is mounted by default gives one to every pod that forgets to say no. */
function tokenOfAccount(manifest: Manifest, all: readonly Manifest[], context: HardeningContext): readonly Finding[] {
  if (manifest.kind !== "ServiceAccount") return [];
  const isNeeded = podsOf(all).some(
    ({ manifest: owner, spec }) =>
      textAt(spec, "serviceAccountName") === manifest.metadata.name && context.needsToken.includes(objectOf(owner)),
  );
  if (isNeeded) return [];
  const field = "automountServiceAccountToken";
  return expectValue("token", field, manifest[field], false, TOKEN).map((said) => findingOf(manifest, said));
}

function expectValue(rule: string, field: string, value: unknown, allowed: boolean, why: string): readonly Said[] {
  return value === allowed ? [] : [{ rule, field, value: shown(value), allowed: String(allowed), why }];
}

function judge(container: Container, context: HardeningContext): readonly Said[] {
  const { at, body } = container;
  const root = expectValue(
    "read-only-root",
    `${at}.securityContext.readOnlyRootFilesystem`,
    valueAt(body, "securityContext", "readOnlyRootFilesystem"),
    true,
    "what cannot be written cannot be replaced; directories that are written to are volumes",
  );
  return [...root, ...image(container, context), ...resources(container)];
}

const DIGEST = /@sha256:[0-9a-f]{64}$/;

function image({ at, body }: Container, { requireDigests }: HardeningContext): readonly Said[] {
  const name = textAt(body, "image");
  const digest: Said = {
    rule: "digest",
    field: `${at}.image`,
    value: shown(name),
    allowed: "name@sha256:…",
    why: "a tag can mean another image tomorrow; write the digest under images in the stack's configuration",
  };
  const latest: Said = {
    rule: "tag",
    field: `${at}.image`,
    value: shown(name),
    allowed: "a tag or a digest, and not :latest",
    why: "nobody could say what runs; write it under images in the stack's configuration",
  };
  const isPinned = name !== undefined && DIGEST.test(name);
  const isNamed = name !== undefined && /:[^/:]+$/.test(name) && !name.endsWith(":latest");
  const policy: Said = {
    rule: "pull-policy",
    field: `${at}.imagePullPolicy`,
    value: shown(body.imagePullPolicy),
    allowed: "IfNotPresent",
    why: "a pod must be able to start while the registry cannot be reached",
  };
  return [
    ...(requireDigests && !isPinned ? [digest] : []),
    ...(!requireDigests && !isPinned && !isNamed ? [latest] : []),
    ...(body.imagePullPolicy === "IfNotPresent" ? [] : [policy]),
  ];
}

/**
 * Every container says what it needs and what it may have: CPU asked for, memory the same for both (Kubernetes documentation, pod
 * quality of service: memory beyond the request is what gets a pod killed first), a limit of temporary storage.
 */
function resources(container: Container): readonly Said[] {
  const { at, body } = container;
  const read = (side: string, name: string) => valueAt(body, "resources", side, name);
  const missing = (["requests", "limits"] as const).flatMap((side) =>
    ["cpu", "memory", "ephemeral-storage"]
      .filter((name) => read(side, name) === undefined && !(side === "limits" && name === "cpu"))
      .map(
        (name): Said => ({
          rule: "resources",
          field: `${at}.resources.${side}["${name}"]`,
          value: "nothing",
          allowed: "a quantity",
          why: "the scheduler and the quota count what is asked for, and a node what is limited",
        }),
      ),
  );
  const [asked, limit] = [read("requests", "memory"), read("limits", "memory")];
  const unequal: Said = {
    rule: "memory",
    field: `${at}.resources.limits.memory`,
    value: shown(limit),
    allowed: shown(asked),
    why: "memory that is limited higher than it is asked for is a promise that the node did not make",
  };
  const isUnequal = asked !== undefined && limit !== undefined && asked !== limit;
  // Ephemeral containers cannot have any (Kubernetes documentation, ephemeral containers).
  if (container.role === "ephemeralContainers") return [];
  return [...missing, ...(isUnequal ? [unequal] : []), ...(isSidecar(container) ? sidecarProbe(container) : [])];
}

/** Without a startup probe the next container starts before the sidecar serves. */
function sidecarProbe({ at, body }: Container): readonly Said[] {
  if (isTree(body.startupProbe)) return [];
  const why = "what comes after a sidecar starts when this probe is answered";
  return [{ rule: "sidecar", field: `${at}.startupProbe`, value: "nothing", allowed: "a probe", why }];
}

/** A volume in the node's memory or on its disk without a limit is everybody's. */
function volumes({ spec, at }: Pod): readonly Said[] {
  return elementsAt(spec, `${at}.volumes`, "volumes")
    .filter(({ body }) => isTree(body.emptyDir) && body.emptyDir.sizeLimit === undefined)
    .map(({ at: place }) => ({
      rule: "volume-size",
      field: `${place}.emptyDir.sizeLimit`,
      value: "nothing",
      allowed: "a quantity",
      why: "a directory without a limit fills the node",
    }));
}

/** The policies: the rules that stand whatever a program does, over what Pulumi is about to register. */
import type { ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import {
  disruption,
  exposure,
  type Finding,
  hardening,
  type Manifest,
  objectOf,
  printFinding,
  restricted,
  secrets,
} from "../targets/kubernetes/rules/index.ts";
import { fieldsOf, known, manifestOf, type PulumiResource, UNKNOWN } from "./manifest.ts";

/** What `cluster.kubernetesMinor` is where a stack does not say it; the pack's configuration may say another. */
const KUBERNETES_MINOR = 34;
const DEVELOPMENT_STACKS: readonly string[] = ["dev", "local"];
const DATA_TIERS: readonly string[] = ["postgres", "pgbouncer", "redis"];

/** Texts in Secrets that are shorter are users' and databases' names. */
const SHORTEST_SECRET = 16;

type PodConfig = { readonly kubernetesMinor?: number; readonly privilegedNamespaces?: readonly string[] };

const restrictedPods: ResourceValidationPolicy = {
  name: "restricted-pods",
  description:
    "Every pod fits the restricted profile of the Pod Security Standards, but in privilegedNamespaces of the pack's configuration",
  configSchema: {
    properties: {
      kubernetesMinor: { type: "integer", default: KUBERNETES_MINOR, minimum: 25 },
      privilegedNamespaces: { type: "array", items: { type: "string" }, default: [] },
    },
  },
  validateResource: (args, report) => {
    const { kubernetesMinor = KUBERNETES_MINOR, privilegedNamespaces = [] } = args.getConfig<PodConfig>();
    const judged = manifestsIn([args]).filter(
      ({ metadata }) => !privilegedNamespaces.includes(metadata.namespace ?? "default"),
    );
    reportAll(restricted(judged, { kubernetesMinor }), report);
  },
};

const digestsInProduction: ResourceValidationPolicy = {
  name: "digests-in-production",
  description: "Every image of a stack that is not for development is named by its digest",
  configSchema: {
    properties: { developmentStacks: { type: "array", items: { type: "string" }, default: [...DEVELOPMENT_STACKS] } },
  },
  validateResource: (args, report) => {
    const { developmentStacks = DEVELOPMENT_STACKS } = args.getConfig<{
      readonly developmentStacks?: readonly string[];
    }>();
    if (developmentStacks.includes(stackOf(args.urn))) return;
    const found = hardening(manifestsIn([args]), { requireDigests: true, needsToken: [] });
    reportAll(
      found.filter(({ rule }) => rule === "hardening/digest"),
      report,
    );
  },
};

const noPublicDataServices: StackValidationPolicy = {
  name: "no-public-data-services",
  description: "Databases, poolers and caches cannot be reached from outside the cluster",
  validateStack: ({ resources }, report) => {
    reportAll(exposure(manifestsIn(resources), { dataTiers: DATA_TIERS }), reportAt(resources, report));
  },
};

const noSecretOutsideSecret: StackValidationPolicy = {
  name: "no-secret-outside-secret",
  description: "No generated password and no content of a Secret stands anywhere else",
  validateStack: ({ resources }, report) => {
    const found = secrets(manifestsIn(resources), { secrets: resources.flatMap(secretsOf) });
    reportAll(found, reportAt(resources, report));
  },
};

const satisfiableDisruption: StackValidationPolicy = {
  name: "satisfiable-disruption",
  description: "Every disruption budget lets a node be drained",
  validateStack: ({ resources }, report) => {
    const blocking = ["disruption/satisfiable", "disruption/form", "disruption/budget"];
    const found = disruption(manifestsIn(resources)).filter(({ rule }) => blocking.includes(rule));
    reportAll(found, reportAt(resources, report));
  },
};

export const policies: readonly (ResourceValidationPolicy | StackValidationPolicy)[] = [
  restrictedPods,
  digestsInProduction,
  noPublicDataServices,
  noSecretOutsideSecret,
  satisfiableDisruption,
];

type Report = (message: string, object: string) => void;

function reportAll(findings: readonly Finding[], report: (message: string, object: string) => void): void {
  for (const finding of findings.filter(({ value }) => !value.includes(UNKNOWN)))
    report(printFinding(finding), finding.object);
}

/** To the resource that a finding is about; to the stack where it is about several. */
function reportAt(resources: readonly PulumiResource[], report: (message: string, urn?: string) => void): Report {
  const urns = new Map(
    resources.flatMap((resource) => {
      const manifest = manifestOf(resource);
      return manifest === undefined ? [] : [[objectOf(manifest), resource.urn] as const];
    }),
  );
  return (message, object) => report(message, urns.get(object));
}

function manifestsIn(resources: readonly PulumiResource[]): readonly Manifest[] {
  return resources.flatMap((resource) => manifestOf(resource) ?? []);
}

/** Generated passwords, and what stands in Secrets; what a preview does not know cannot leak in it. */
function secretsOf(resource: PulumiResource): readonly string[] {
  const generated =
    resource.type === "random:index/randomPassword:RandomPassword"
      ? textsIn({ result: fieldsOf(known(resource.props)).result })
      : [];
  const manifest = manifestOf(resource);
  const { stringData, data } = fieldsOf(manifest?.kind === "Secret" ? manifest : undefined);
  const written = [...textsIn(stringData), ...textsIn(data).map(decode)].filter(
    ({ length }) => length >= SHORTEST_SECRET,
  );
  return [...generated, ...written].filter((text) => text !== UNKNOWN);
}

function textsIn(value: unknown): readonly string[] {
  return Object.values(fieldsOf(value)).filter((one) => typeof one === "string");
}

function decode(text: string): string {
  return Buffer.from(text, "base64").toString();
}

/** `urn:pulumi:<stack>::…` */
function stackOf(urn: string): string {
  return urn.split(":")[2] ?? "";
}

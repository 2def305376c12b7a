/** The resource monitor that a program registers its resources with: answers as an engine would, and writes everything down. */
import { type ServerUnaryCall, type sendUnaryData, status, type UntypedServiceImplementation } from "@grpc/grpc-js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import type { RegisterResourceRequest } from "@pulumi/pulumi/proto/resource_pb.js";
import resources from "@pulumi/pulumi/proto/resource_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { idOf, outputsOf } from "./outputs.ts";
import { type Alias, type Invoked, isObject, type Registered, type Value } from "./run.ts";

export type Recorded = {
  readonly resources: Registered[];
  readonly reads: { readonly type: string; readonly name: string; readonly id: string }[];
  readonly invokes: Invoked[];
  /** URN → outputs that a component, or the stack, registered. */
  readonly outputs: Map<string, Readonly<Record<string, Value>>>;
};

export type Surroundings = {
  readonly project: string;
  readonly stack: string;
  readonly isPreview: boolean;
  /** Token → answer; others are answered with nothing. */
  readonly invokes: Readonly<Record<string, Readonly<Record<string, Value>>>>;
};

/** What the double can do of what an engine may; the program leaves out the rest. */
const FEATURES = ["secrets", "resourceReferences", "aliasSpecs", "deletedWith"];

export function serveMonitor(recorded: Recorded, around: Surroundings): UntypedServiceImplementation {
  return {
    getDeploymentInfo: (_: unknown, reply: (error: object) => void) => reply({ code: status.UNIMPLEMENTED }),
    supportsFeature: answering((request: InstanceType<typeof resources.SupportsFeatureRequest>) => {
      return new resources.SupportsFeatureResponse().setHassupport(FEATURES.includes(request.getId()));
    }),
    registerPackage: answering(() => new resources.RegisterPackageResponse().setRef("package")),
    registerResource: answering((request: RegisterResourceRequest) => register(request, recorded, around)),
    registerResourceOutputs: answering((request: InstanceType<typeof resources.RegisterResourceOutputsRequest>) => {
      recorded.outputs.set(request.getUrn(), fieldsOf(request.getOutputs()));
      return new empty.Empty();
    }),
    readResource: answering((request: InstanceType<typeof resources.ReadResourceRequest>) => {
      const [type, name] = [request.getType(), request.getName()];
      recorded.reads.push({ type, name, id: request.getId() });
      const response = new resources.ReadResourceResponse().setUrn(urnOf(type, name, request.getParent(), around));
      return response.setProperties(request.getProperties() ?? new struct.Struct());
    }),
    invoke: answering((request: InstanceType<typeof resources.ResourceInvokeRequest>) => {
      recorded.invokes.push({ token: request.getTok(), args: fieldsOf(request.getArgs()) });
      const answer = around.invokes[request.getTok()] ?? {};
      return new provider.InvokeResponse().setReturn(structOf(answer));
    }),
    signalAndWaitForShutdown: answering(() => new empty.Empty()),
  };
}

function answering<Request, Response>(answer: (request: Request) => Response) {
  return (call: ServerUnaryCall<Request, Response>, reply: sendUnaryData<Response>) =>
    reply(null, answer(call.request));
}

function register(request: RegisterResourceRequest, recorded: Recorded, around: Surroundings) {
  const resource = registeredBy(request, around);
  recorded.resources.push(resource);
  const { type, name, inputs, urn, custom } = resource;
  const asked = { type, name, inputs, isPreview: around.isPreview };
  const outputs = custom ? outputsOf(asked, resource.additionalSecretOutputs) : {};
  const response = new resources.RegisterResourceResponse().setUrn(urn).setObject(structOf(outputs));
  return response.setId(custom ? idOf(asked) : "");
}

function registeredBy(request: RegisterResourceRequest, around: Surroundings): Registered {
  const [type, name, parent] = [request.getType(), request.getName(), request.getParent()];
  const timeouts = request.getCustomtimeouts()?.toObject();
  const propertyDependencies: [string, readonly string[]][] = [];
  request.getPropertydependenciesMap().forEach((value, key) => {
    propertyDependencies.push([key, value.getUrnsList().toSorted()]);
  });
  return {
    urn: urnOf(type, name, parent, around),
    type,
    name,
    custom: request.getCustom(),
    parent,
    provider: request.getProvider(),
    providers: Object.fromEntries(request.getProvidersMap().toArray()),
    inputs: fieldsOf(request.getObject()),
    dependencies: request.getDependenciesList().toSorted(),
    propertyDependencies: Object.fromEntries(propertyDependencies),
    ignoreChanges: request.getIgnorechangesList(),
    replaceOnChanges: request.getReplaceonchangesList(),
    additionalSecretOutputs: request.getAdditionalsecretoutputsList(),
    aliases: aliasesOf(request),
    protect: request.getProtect() ?? false,
    retainOnDelete: request.getRetainondelete() ?? false,
    deleteBeforeReplace: request.getDeletebeforereplacedefined() ? request.getDeletebeforereplace() : undefined,
    deletedWith: request.getDeletedwith(),
    importId: request.getImportid(),
    customTimeouts: {
      create: timeouts?.create ?? "",
      update: timeouts?.update ?? "",
      delete: timeouts?.pb_delete ?? "",
    },
    version: request.getVersion(),
  };
}

function aliasesOf(request: RegisterResourceRequest): readonly Alias[] {
  const urns = request.getAliasurnsList().map((urn) => ({ urn }));
  const specs = request.getAliasesList().map((alias): Alias => {
    const spec = alias.getSpec();
    if (spec === undefined) return { urn: alias.getUrn() };
    const { name, type, stack, project, parenturn, noparent } = spec.toObject();
    return { name, type, stack, project, parentUrn: parenturn, noParent: noparent ?? false };
  });
  return [...urns, ...specs];
}

/** `urn:pulumi:<stack>::<project>::<types of parents>$<type>::<name>`; the stack itself is not among the parents' types. */
function urnOf(type: string, name: string, parent: string, { stack, project }: Surroundings): string {
  const types = parent.split("::")[2];
  const qualified = types === undefined || types === "pulumi:pulumi:Stack" ? type : `${types}$${type}`;
  return `urn:pulumi:${stack}::${project}::${qualified}::${name}`;
}

type Struct = InstanceType<typeof struct.Struct>;

function fieldsOf(value: Struct | undefined): Readonly<Record<string, Value>> {
  const fields: unknown = value?.toJavaScript();
  return isObject(fields) ? fields : {};
}

function structOf(value: Readonly<Record<string, Value>>): Struct {
  // Through JSON, which knows no undefined: a Struct has none either.
  return struct.Struct.fromJavaScript(JSON.parse(JSON.stringify(value)));
}

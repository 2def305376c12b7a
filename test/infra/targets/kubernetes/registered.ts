/** Runs a Pulumi program against mocks and tells everything that it registered, with the options that mocks do not show. */
import * as pulumi from "@pulumi/pulumi";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks.js";

export type Registered = {
  readonly type: string;
  readonly name: string;
  /** URNs without their first part: `type::name` of the parents and its own. */
  readonly urn: string;
  readonly parent: string;
  /** As sent: an object with a signature where a value is a secret. */
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly dependsOn: readonly string[];
  readonly provider: string;
  readonly isProtected: boolean;
  readonly ignoreChanges: readonly string[];
  readonly customTimeouts: unknown;
  readonly deleteBeforeReplace: boolean;
};

/** What a secret looks like on the wire. Pulumi, resource-monitor protocol. */
export const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";

/** `mayFail`: what the program throws is an answer too. */
export async function registered(
  program: () => object,
  mayFail = false,
): Promise<{
  readonly resources: readonly Registered[];
  readonly outputs: unknown;
  readonly failure: unknown;
}> {
  const resources: Registered[] = [];
  const original = MockMonitor.prototype.registerResource;
  MockMonitor.prototype.registerResource = function (request, callback) {
    resources.push({
      type: request.getType(),
      name: request.getName(),
      urn: `${request.getType()}::${request.getName()}`,
      parent: shortUrn(request.getParent()),
      inputs: request.getObject().toJavaScript(),
      dependsOn: request.getDependenciesList().map(shortUrn),
      provider: shortUrn(request.getProvider()),
      isProtected: request.getProtect() ?? false,
      ignoreChanges: request.getIgnorechangesList(),
      customTimeouts: request.getCustomtimeouts()?.toObject(),
      deleteBeforeReplace: request.getDeletebeforereplace(),
    });
    return original.call(this, request, callback);
  };
  await pulumi.runtime.setMocks(
    {
      newResource: (resource) => ({ id: `${resource.name}-id`, state: stateOf(resource) }),
      call: ({ inputs }) => inputs,
    },
    "mcp-stack",
    "test",
    false,
  );
  try {
    let failure: unknown;
    const outputs = await pulumi.runtime.runInPulumiStack(async () => {
      try {
        return { ...program() };
      } catch (error) {
        if (!mayFail) throw error;
        failure = error;
        return {};
      }
    });
    await pulumi.runtime.disconnect();
    return { resources: resources.filter(({ type }) => type !== "pulumi:pulumi:Stack"), outputs, failure };
  } finally {
    MockMonitor.prototype.registerResource = original;
  }
}

function stateOf({ type, name, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  if (type === "random:index/randomPassword:RandomPassword")
    return { ...inputs, result: pulumi.secret(`made-${name}`) };
  return inputs;
}

/** `urn:pulumi:test::mcp-stack::a$b::name` → `b::name`; a provider's id behind it is cut off. */
function shortUrn(urn: string): string {
  const [, , types = "", name = ""] = urn.split("::");
  return urn === "" ? "" : `${types.split("$").at(-1)}::${name}`;
}

/** What a run of a Pulumi program leaves behind: everything it asked of the engine, as it asked it. */

/** A value as it crosses the wire: plain data, in which secrets are wrapped and what is not known yet is a certain text. */
export type Value = unknown;

/** The Pulumi SDK's marks, runtime/rpc. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

export type Alias =
  | { readonly urn: string }
  | {
      readonly name: string;
      readonly type: string;
      readonly stack: string;
      readonly project: string;
      readonly parentUrn: string;
      readonly noParent: boolean;
    };

export type Registered = {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  /** False for components and the stack. */
  readonly custom: boolean;
  /** URN; empty for the stack itself. */
  readonly parent: string;
  /** `<urn>::<id>`; empty where a default provider would be used. */
  readonly provider: string;
  readonly providers: Readonly<Record<string, string>>;
  /** With secrets in their wrappers: read them with `plain` and `secretsIn`. */
  readonly inputs: Readonly<Record<string, Value>>;
  /** URNs, sorted. */
  readonly dependencies: readonly string[];
  /** Property → URNs, sorted. */
  readonly propertyDependencies: Readonly<Record<string, readonly string[]>>;
  readonly ignoreChanges: readonly string[];
  readonly replaceOnChanges: readonly string[];
  readonly additionalSecretOutputs: readonly string[];
  readonly aliases: readonly Alias[];
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  /** Undefined where the program leaves it to the provider. */
  readonly deleteBeforeReplace: boolean | undefined;
  readonly deletedWith: string;
  readonly importId: string;
  readonly customTimeouts: { readonly create: string; readonly update: string; readonly delete: string };
  readonly version: string;
};

export type Invoked = { readonly token: string; readonly args: Readonly<Record<string, Value>> };
export type Logged = {
  readonly severity: "debug" | "info" | "warning" | "error";
  readonly message: string;
  readonly urn: string;
};

export type Run = {
  /** In the order of registration, which may differ between runs for what does not depend on each other; the stack is the first. */
  readonly resources: readonly Registered[];
  /** `get` of existing resources. */
  readonly reads: readonly { readonly type: string; readonly name: string; readonly id: string }[];
  readonly invokes: readonly Invoked[];
  /** Without those of severity debug. */
  readonly logs: readonly Logged[];
  /** What the program returned, secrets in their wrappers; empty where it failed. */
  readonly outputs: Readonly<Record<string, Value>>;
  /** URN → outputs of components, as they registered them. */
  readonly componentOutputs: Readonly<Record<string, Readonly<Record<string, Value>>>>;
  /** 0: the program ended well; 32: it failed and said why in `logs`. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
};

export function isObject(value: Value): value is Readonly<Record<string, Value>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function secret(value: Value): Value {
  return isSecret(value) ? value : { [SIGNATURE]: SECRET, value };
}

export function isSecret(value: Value): value is Readonly<Record<string, Value>> {
  return isObject(value) && value[SIGNATURE] === SECRET;
}

/** The value without wrappers, at every depth. */
export function plain(value: Value): Value {
  if (isSecret(value)) return plain(value.value);
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
}

/** Every text in a secret, each once: what a scan for leaks looks for. Unknown ones are left out. */
export function secretsIn(value: Value): readonly string[] {
  return [...new Set(isSecret(value) ? textsIn(value.value) : childrenOf(value).flatMap(secretsIn))];
}

function textsIn(value: Value): readonly string[] {
  if (typeof value === "string") return value === UNKNOWN ? [] : [value];
  return childrenOf(isSecret(value) ? value.value : value).flatMap(textsIn);
}

function childrenOf(value: Value): readonly Value[] {
  if (Array.isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
}

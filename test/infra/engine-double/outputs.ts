/** What providers would answer: the inputs, and what each type of resource makes itself. The same inputs give the same answer. */
import { createHash } from "node:crypto";
import { isObject, plain, secret, UNKNOWN, type Value } from "./run.ts";

type Properties = Readonly<Record<string, Value>>;
type Asked = { readonly type: string; readonly name: string; readonly inputs: Properties; readonly isPreview: boolean };

/** Pulumi's names of types. What a preview cannot know is unknown in it. */
const GENERATED: Readonly<Record<string, (asked: Asked) => Properties>> = {
  "random:index/randomPassword:RandomPassword": (asked) => ({
    result: secret(known(asked, () => password(asked))),
    bcryptHash: secret(known(asked, () => `$2a$10$${digest(asked.name).slice(0, 53)}`)),
  }),
  "random:index/randomString:RandomString": (asked) => ({ result: known(asked, () => password(asked)) }),
  "random:index/randomId:RandomId": (asked) => ({
    hex: known(asked, () => digest(seed(asked)).slice(0, 16)),
    b64Url: known(asked, () => digest(seed(asked)).slice(0, 11)),
  }),
  "docker:index/image:Image": (asked) => ({
    repoDigest: known(asked, () => `${nameOf(asked)}@sha256:${digest(seed(asked))}`),
    baseImageName: asked.inputs.imageName,
  }),
  "docker:index/remoteImage:RemoteImage": (asked) => ({
    repoDigest: known(asked, () => `${String(plain(asked.inputs.name))}@sha256:${digest(seed(asked))}`),
    imageId: known(asked, () => `sha256:${digest(seed(asked))}`),
  }),
  // Whatever ends, ends well.
  "docker:index/container:Container": ({ inputs, isPreview }) =>
    plain(inputs.attach) === true ? { exitCode: isPreview ? UNKNOWN : 0, containerLogs: isPreview ? UNKNOWN : "" } : {},
  // Out of the engine's own pool.
  "docker:index/network:Network": (asked) => ({
    ipamConfigs: asked.isPreview ? UNKNOWN : [{ gateway: subnetOf(asked, ".1"), subnet: subnetOf(asked, ".0/24") }],
  }),
  "docker:index/volume:Volume": (asked) => ({
    mountpoint: known(asked, () => `/var/lib/docker/volumes/${asked.name}/_data`),
  }),
};

/** Inputs, what the type makes, and a Kubernetes object's name where the program leaves it to the provider. */
export function outputsOf(asked: Asked, additionalSecrets: readonly string[]): Properties {
  const generate = Object.hasOwn(GENERATED, asked.type) ? GENERATED[asked.type] : undefined;
  const inputs = asked.type.startsWith("kubernetes:") ? named(asked.name, asked.inputs) : asked.inputs;
  const outputs: Properties = { ...inputs, ...generate?.(asked) };
  const hidden = additionalSecrets.filter((key) => Object.hasOwn(outputs, key));
  return { ...outputs, ...Object.fromEntries(hidden.map((key) => [key, secret(outputs[key])])) };
}

/** Empty in a preview, as the engine answers then; pulumi-kubernetes' ids are `namespace/name`. */
export function idOf({ type, name, inputs, isPreview }: Asked): string {
  if (isPreview) return "";
  if (!type.startsWith("kubernetes:")) return `${name}-id`;
  const metadata = plain(named(name, inputs).metadata);
  const text = (key: string) =>
    isObject(metadata) && typeof metadata[key] === "string" ? `${metadata[key]}` : undefined;
  return [text("namespace"), text("name")].filter((part) => part !== undefined).join("/");
}

/** The provider gives a name with a suffix where `metadata.name` is missing, in previews as well. */
export function named(name: string, inputs: Properties): Properties {
  const metadata = isObject(inputs.metadata) ? inputs.metadata : {};
  if (metadata.name !== undefined) return inputs;
  return { ...inputs, metadata: { ...metadata, name: `${name}-${digest(name).slice(0, 8)}` } };
}

function known({ isPreview }: Asked, make: () => string): string {
  return isPreview ? UNKNOWN : make();
}

/** Other keepers, another value: that is what rotation is. */
function seed({ type, name, inputs }: Asked): string {
  return JSON.stringify([type, name, plain(inputs)]);
}

function password(asked: Asked): string {
  const length = Number(plain(asked.inputs.length));
  return digest(seed(asked))
    .repeat(Math.ceil(length / 64))
    .slice(0, length);
}

function subnetOf({ name }: Asked, end: string): string {
  return `172.31.${Number.parseInt(digest(name).slice(0, 2), 16)}${end}`;
}

function nameOf({ inputs }: Asked): string {
  return String(plain(inputs.imageName)).replace(/:[^/:]*$/, "");
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

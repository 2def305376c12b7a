/** Rendered files: one ConfigMap and one Secret per workload, and where they are in its pods. */
import { posix } from "node:path";
import { type File, secretsIn, type Workload } from "../../../topology/index.ts";
import type { Manifest } from "../manifest.ts";
import { metadataOf, type Site, type Tree, workloadLabels } from "./site.ts";

export function configName({ name }: Workload): string {
  return `${name}-config`;
}

export function secretName({ name }: Workload): string {
  return `${name}-secrets`;
}

/** The ConfigMap and the Secret of a workload, where it has such files. */
export function fileObjects(site: Site, workload: Workload): readonly Manifest[] {
  const [plain, secret] = split(workload);
  return [
    ...(plain.length === 0
      ? []
      : [
          {
            apiVersion: "v1",
            kind: "ConfigMap",
            metadata: metadataOf(site, configName(workload), workloadLabels(site, workload)),
            data: dataOf(plain),
          },
        ]),
    ...(secret.length === 0
      ? []
      : [
          {
            apiVersion: "v1",
            kind: "Secret",
            metadata: metadataOf(site, secretName(workload), workloadLabels(site, workload)),
            type: "Opaque",
            // An API server gives back what it got but for its last line feed: every comparison would find a difference.
            stringData: dataOf(secret.map((file) => ({ ...file, text: file.text.replace(/\n+$/, "") }))),
          },
        ]),
  ];
}

/** Volumes and their places, one per directory: all files of a directory are its directory's, and nobody can write there. */
export function fileVolumes(workload: Workload): {
  readonly volumes: readonly Tree[];
  readonly mounts: readonly Tree[];
} {
  const [plain, secret] = split(workload);
  const sources = (kind: "config" | "secrets", files: readonly File[]) =>
    directoriesOf(files).map((directory, index) => ({ ...directory, kind, volume: `${kind}-${index}` }));
  const named = [...sources("config", plain), ...sources("secrets", secret)];
  return {
    volumes: named.map(({ volume, kind, files }) => ({
      name: volume,
      ...sourceOf(workload, kind, files.map(keyOf)),
    })),
    mounts: named.map(({ volume, directory }) => ({ name: volume, mountPath: directory, readOnly: true })),
  };
}

/** Readable by the group of the pod (its fsGroup), which is the process's own, and by nobody else. */
const GROUP_MAY_READ = 0o440;

function sourceOf(workload: Workload, kind: "config" | "secrets", keys: readonly string[]): Tree {
  const items = keys.map((key) => ({ key, path: key }));
  return kind === "config"
    ? { configMap: { name: configName(workload), defaultMode: GROUP_MAY_READ, items } }
    : { secret: { secretName: secretName(workload), defaultMode: GROUP_MAY_READ, items } };
}

function split({ files }: Workload): readonly [readonly File[], readonly File[]] {
  const isSecret = (file: File) => file.isSecret || secretsIn(file.text).length > 0;
  return [files.filter((file) => !isSecret(file)), files.filter(isSecret)];
}

function directoriesOf(
  files: readonly File[],
): readonly { readonly directory: string; readonly files: readonly File[] }[] {
  const directories = [...new Set(files.map(({ path }) => posix.dirname(path)))];
  return directories.map((directory) => ({
    directory,
    files: files.filter(({ path }) => posix.dirname(path) === directory),
  }));
}

function dataOf(files: readonly File[]): Readonly<Record<string, string>> {
  const data = Object.fromEntries(files.map((file) => [keyOf(file), file.text]));
  if (Object.keys(data).length === files.length) return data;
  throw new RangeError(`files of one name in two directories: ${files.map(({ path }) => path).join(", ")}`);
}

function keyOf({ path }: File): string {
  return posix.basename(path);
}

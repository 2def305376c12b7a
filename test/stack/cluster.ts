/** The cluster that tests may use, which a kubeconfig of their own names; and whether it answers. */
import { execFile, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { z } from "zod";
import type { Manifest } from "../../infra/targets/kubernetes/manifest.ts";
import { answers } from "./pulumi-stack.ts";

const execute = promisify(execFile);
/** Never the kubeconfig of whoever runs the tests: they make and delete namespaces. */
const KUBECONFIG = "MCP_STACK_TEST_KUBECONFIG";
const LIMIT_MS = 120_000;

/** Why tests with a cluster are skipped; undefined where one answers. */
export function missingForCluster(): string | undefined {
  const path = process.env[KUBECONFIG];
  if (path === undefined) return `${KUBECONFIG} names no kubeconfig`;
  if (!answers("kubectl", "version", "--client")) return "not installed: kubectl";
  return answers("kubectl", "--kubeconfig", path, "--request-timeout=5s", "get", "--raw", "/readyz")
    ? undefined
    : `the cluster of ${KUBECONFIG} does not answer`;
}

export function kubeconfigPath(): string {
  return process.env[KUBECONFIG] ?? "";
}

/** What `kubectl` says; throws with it where it fails. */
export async function kubectl(...argv: readonly string[]): Promise<string> {
  const { stdout } = await execute("kubectl", ["--kubeconfig", kubeconfigPath(), ...argv], {
    timeout: LIMIT_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}

/** What the API server says to an object; `accepted` is false where admission refuses it. */
export async function submit(
  manifest: Manifest,
  ...argv: readonly string[]
): Promise<{ readonly accepted: boolean; readonly said: string }> {
  const all = ["--kubeconfig", kubeconfigPath(), "create", "--filename", "-", ...argv];
  const asking = spawn("kubectl", all, { stdio: ["pipe", "pipe", "pipe"], timeout: LIMIT_MS });
  const ended = new Promise<number | null>((resolve, reject) => asking.once("error", reject).once("close", resolve));
  asking.stdin.end(JSON.stringify(manifest));
  const [code, out, err] = await Promise.all([ended, text(asking.stdout), text(asking.stderr)]);
  return { accepted: code === 0, said: `${out}${err}`.trim() };
}

const metadata = z.looseObject({
  name: z.string(),
  namespace: z.string().exactOptional(),
  uid: z.string(),
  creationTimestamp: z.string(),
  labels: z.record(z.string(), z.string()).default({}),
  annotations: z.record(z.string(), z.string()).default({}),
});
const living = z.looseObject({ apiVersion: z.string(), kind: z.string(), metadata });
export type Living = z.infer<typeof living>;

const list = z.looseObject({ items: z.array(living) });

/** Objects of some kinds as they are in the cluster. */
export async function objectsOf(kinds: readonly string[], ...argv: readonly string[]): Promise<readonly Living[]> {
  return list.parse(JSON.parse(await kubectl("get", kinds.join(","), "--output", "json", ...argv))).items;
}

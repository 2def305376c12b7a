/** Looks into pods with kubectl. */
import type { Workload } from "../../topology/index.ts";
import type { Instance, Observer } from "../observer.ts";
import { type Run, runProgram } from "./run.ts";

export type Cluster = {
  readonly stack: string;
  readonly namespace: string;
  /** Of the kubeconfig; undefined for its current one. */
  readonly context: string | undefined;
};

export function kubernetesObserver({ stack, namespace, context }: Cluster, run: Run = runProgram): Observer {
  const kubectl = (args: readonly string[]) =>
    run(["kubectl", ...(context === undefined ? [] : [`--context=${context}`]), `--namespace=${namespace}`, ...args]);
  return {
    async instances(workload: Workload): Promise<readonly Instance[]> {
      const selector = `app.kubernetes.io/instance=${stack},app.kubernetes.io/name=${workload.name}`;
      const { code, stdout, stderr } = await kubectl([
        "get",
        "pods",
        `--selector=${selector}`,
        "--field-selector=status.phase=Running",
        "--output=jsonpath={range .items[*]}{.metadata.name}{'\\n'}{end}",
      ]);
      if (code !== 0) throw new RangeError(`kubectl get pods: ${stderr.trim()}`);
      const names = stdout.split("\n").filter((name) => name !== "");
      return names.map((name) => ({ name, workload, pid: 1 }));
    },
    run: ({ name }, command) => kubectl(["exec", name, "--", ...command]),
  };
}

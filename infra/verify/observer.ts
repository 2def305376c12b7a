/** What a target has to be able to do so that its deployment can be asked. */
import type { Workload } from "../topology/index.ts";

export type Instance = {
  /** For people: a pod, a container, a process. */
  readonly name: string;
  readonly workload: Workload;
  /** The first process of it, as its own tools number it. */
  readonly pid: number;
};

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type Observer = {
  instances(workload: Workload): Promise<readonly Instance[]>;
  /** Runs a program inside the instance, with its environment. Rejects only where that is impossible. */
  run(instance: Instance, command: readonly string[]): Promise<Ran>;
};

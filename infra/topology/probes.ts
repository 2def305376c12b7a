/** A workload's probes from one question and the plan's patience: every tier asks its own question, and all are as patient as the plan. */
import type { Plan } from "../../contract/plan.ts";
import type { Probe, Workload } from "./model.ts";

type Question = Pick<Probe, "check" | "inside">;
type Probes = NonNullable<Workload["probes"]>;

/**
 * The same question three times, or another one for readiness. `leastStartups`: tries at a start that takes long by its nature, where the
 * plan has fewer.
 */
export function probesOf(
  plan: Plan,
  question: Question,
  { readiness = question, leastStartups = 0 }: { readonly readiness?: Question; readonly leastStartups?: number } = {},
): Probes {
  const { probes } = plan;
  const startup = probeOf(plan, probes.startup, question);
  return {
    startup: { ...startup, failureThreshold: Math.max(leastStartups, startup.failureThreshold) },
    readiness: probeOf(plan, probes.readiness, readiness),
    liveness: probeOf(plan, probes.liveness, question),
  };
}

/** One probe with the patience `of` the plan. */
export function probeOf({ timeouts }: Plan, of: Plan["probes"]["readiness"], question: Question): Probe {
  return {
    periodS: of.periodS,
    timeoutS: timeouts.readinessS,
    failureThreshold: of.failureThreshold,
    ...question,
  };
}

/** Shell that is true where somebody listens on the port, without a client to ask with: as /proc writes it (proc_pid_net(5), state 0A). */
export function listensOn(port: number): string {
  const hexadecimal = port.toString(16).toUpperCase().padStart(4, "0");
  return `grep -q -E ':${hexadecimal} [0:]+ 0A ' /proc/net/tcp /proc/net/tcp6`;
}

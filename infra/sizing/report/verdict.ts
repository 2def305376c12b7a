/** The one line that a reader may stop after. */
import type { PlanDocument } from "../../../contract/plan.ts";
import { figure } from "./numbers.ts";
import type { Subject } from "./subject.ts";

/** `Accepted: stack prod carries 4,320 requests/s with 11 to 14 replicas; all 70 budgets hold.` */
export function verdictOf({ title, document }: Subject): string {
  const { plan, refusals, warnings, budgets } = document;
  if (!document.accepted)
    return `Refused: ${refusals.length} of ${budgets.length} budgets of ${title} ${refusals.length === 1 ? "does" : "do"} not hold: ${idsOf(document).join(", ")}.`;
  const { min, max } = plan.gateway.replicas;
  const replicas =
    min === max ? `${figure(min)} ${min === 1 ? "replica" : "replicas"}` : `${figure(min)} to ${figure(max)} replicas`;
  const holds =
    warnings.length === 0
      ? `all ${budgets.length} budgets hold`
      : `${budgets.length - warnings.length} of ${budgets.length} budgets hold, the rest ${warnings.length === 1 ? "is a warning" : "are warnings"}`;
  return `Accepted: ${title} carries ${figure(plan.load.gatewayRps)} requests/s with ${replicas}; ${holds}.`;
}

function idsOf({ refusals }: PlanDocument): string[] {
  return [...new Set(refusals.map(({ id }) => id))];
}

/** How long something may be believed after it was revoked, and what must be written down. */
import { type BudgetRule, refuse } from "./rule.ts";

export const security: readonly BudgetRule[] = [
  refuse({
    id: "I48",
    statement: "life of an identity in nginx ≤ time within which a revocation must act",
    unit: "s",
    source: "security.revocationBudgetS",
    terms: ["nginx.identityTtlS", "caches.revocationBudgetS"],
    sides: ({ plan }) => [plan.nginx.identityTtlS, plan.caches.revocationBudgetS],
  }),
  refuse({
    id: "I49",
    statement: "life of a checked token in the gateway ≤ time within which a revocation must act",
    unit: "s",
    source: "security.revocationBudgetS",
    terms: ["caches.jwtTtlS", "caches.revocationBudgetS"],
    sides: ({ plan: { caches } }) => [caches.jwtTtlS, caches.revocationBudgetS],
  }),
  refuse({
    id: "I50",
    statement: "1 ≤ audit trails in production",
    unit: "audit trails",
    source: "who did what must be known afterwards",
    terms: ["security.auditTrail"],
    sides: ({ input, plan }) => (input.environment === "prod" ? [1, plan.security.auditTrail ? 1 : 0] : undefined),
  }),
];

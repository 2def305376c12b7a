/** The door of verification: a running deployment against its plan. */

export type { Expectation, Finding, Observation, Question, Rule, Verdict } from "./expectation.ts";
export { expectationsOf, type Platform } from "./expectations.ts";
export { isAsPlanned, judge } from "./judge.ts";
export type { Instance, Observer, Ran } from "./observer.ts";
export { dockerObserver, dockerSubnets } from "./observers/docker.ts";
export { type Cluster, kubernetesObserver } from "./observers/kubernetes.ts";
export { localObserver } from "./observers/local.ts";
export { findingsText } from "./report.ts";
export { verify } from "./verify.ts";

/** A deployment of another gateway, as its files say it, in the terms of this one. */
export { formatConsequences, formatEnvReport, originOf, type Style } from "./format.ts";
export { type Deployment, readDeployment } from "./read.ts";
export type { Assumption, EnvEntry, EnvReport, Verdict } from "./report.ts";

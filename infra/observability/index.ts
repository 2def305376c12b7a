/** The door of observability: alert and recording rules, dashboards and the autoscaler's metric, from the declared metrics and a plan. */
export { type AdapterRule, type Autoscaling, autoscalingOf, type PodMetric, podMetricOf } from "./autoscaling.ts";
export type { Panel, Row, Target } from "./dashboard/model.ts";
export { type Dashboard, dashboardOf } from "./dashboard/overview.ts";
export { type ForeignName, type ForeignSource, foreign, sources } from "./foreign.ts";
export { fastWithin } from "./objective.ts";
export type { AlertRule, RecordingRule, RuleFile, RuleGroup, Urgency } from "./rule.ts";
export { ruleFileOf } from "./rules.ts";
export type { BackupJobs, Cluster, Objective, Watch, Watched } from "./watch.ts";

/** The form of a Prometheus rule file, and how the rules of a stack are written into it. */
import type { Watch } from "./watch.ts";

/** `critical`: somebody has to act now. `warning`: within working hours. */
export type Urgency = "critical" | "warning";

export type AlertRule = {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: Readonly<Record<string, string>> & { readonly severity: Urgency };
  readonly annotations: {
    readonly summary: string;
    readonly description: string;
    readonly runbook_url: string;
  };
};

export type RecordingRule = {
  readonly record: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
};

export type RuleGroup = { readonly name: string; readonly rules: readonly (AlertRule | RecordingRule)[] };

/** https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/; the `spec` of a PrometheusRule has the same form. */
export type RuleFile = { readonly groups: readonly RuleGroup[] };

export type AlertText = {
  readonly name: string;
  readonly expr: string;
  /** How long it has to be so without a break. */
  readonly forS: number;
  readonly severity: Urgency;
  readonly summary: string;
  /** What is compared with what, in numbers; may hold templates of Prometheus. */
  readonly description: string;
};

export function alert(watch: Watch, text: AlertText): AlertRule {
  const { name, expr, forS, severity, summary, description } = text;
  return {
    alert: name,
    expr,
    for: durationOf(forS),
    labels: { severity, stack: watch.stack },
    // An anchor as GitHub makes it from a heading.
    annotations: { summary, description, runbook_url: `${watch.runbooks}#${name.toLowerCase()}` },
  };
}

export function record(watch: Watch, name: string, expr: string, labels: Readonly<Record<string, string>> = {}) {
  return { record: name, expr, labels: { ...labels, stack: watch.stack } } satisfies RecordingRule;
}

/** Seconds as Prometheus writes them, in the largest unit that divides them: 5m, 90s, 3d. */
export function durationOf(seconds: number): string {
  const whole = Math.ceil(seconds);
  for (const [unit, size] of [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
  ] as const)
    if (whole > 0 && whole % size === 0) return `${whole / size}${unit}`;
  return `${whole}s`;
}

/**
 * Selectors of Prometheus series. A name is one of contract/metrics.ts or of foreign.ts and a label one that it has: everything else
 * is a type error, so that a metric cannot be renamed under a rule.
 */
import type { MetricName, MetricNameOf, metrics } from "../../contract/metrics.ts";
import { type ForeignName, type ForeignSource, foreign } from "./foreign.ts";
import type { Watch } from "./watch.ts";

/** A label's value, or what it (does not) match: RE2, over the whole value. */
export type Match = string | { readonly like: string } | { readonly unlike: string };
type Matches<Labels extends string> = { readonly [Label in Labels]?: Match };
type OwnLabel<Name extends MetricName> = (typeof metrics)[Name]["labels"][number];
type ForeignLabel<Name extends ForeignName> = (typeof foreign)[Name]["labels"][number];

export type Series = {
  /** A counter or gauge of the gateway. */
  own<Name extends MetricNameOf<"counter" | "gauge">>(name: Name, matches?: Matches<OwnLabel<Name>>): string;
  /** The cumulative buckets of a histogram of the gateway. */
  bucket<Name extends MetricNameOf<"histogram">>(name: Name, matches?: Matches<OwnLabel<Name> | "le">): string;
  /** How many observations a histogram of the gateway has. */
  observed<Name extends MetricNameOf<"histogram">>(name: Name, matches?: Matches<OwnLabel<Name>>): string;
  /** A series of another program about this stack. */
  foreign<Name extends ForeignName>(name: Name, matches?: Matches<ForeignLabel<Name>>): string;
  /** Whether the targets of the gateway answered their scrape. */
  readonly gatewayUp: string;
  /** The label that tells replicas apart. */
  readonly replica: "pod" | "instance";
};

export function seriesOf(watch: Watch): Series {
  const gateway = scopeOf(watch, watch.gateway.job);
  return {
    own: (name, matches = {}) => select(name, { ...gateway, ...matches }),
    bucket: (name, matches = {}) => select(`${name}_bucket`, { ...gateway, ...matches }),
    observed: (name, matches = {}) => select(`${name}_count`, { ...gateway, ...matches }),
    foreign: (name, matches = {}) => select(name, { ...foreignScope(watch, foreign[name].source), ...matches }),
    gatewayUp: select("up" satisfies ForeignName, gateway),
    replica: watch.namespace === null ? "instance" : "pod",
  };
}

function scopeOf({ namespace }: Watch, job: string | null): Matches<"namespace" | "job"> {
  return { ...(namespace === null ? {} : { namespace }), ...(job === null ? {} : { job }) };
}

/** What tells about a whole cluster has a job of its own, whose name is not ours to know. */
function foreignScope(watch: Watch, source: ForeignSource): Matches<"namespace" | "job"> {
  const jobs: Readonly<Record<ForeignSource, string | null>> = {
    prometheus: null,
    nginx_exporter: watch.nginx.job,
    pgbouncer_exporter: watch.pgbouncer.job,
    postgres_exporter: watch.postgres.job,
    redis_exporter: watch.redis.job,
    kube_state_metrics: null,
    kubelet: null,
    cert_manager: null,
  };
  return scopeOf(watch, jobs[source]);
}

/** Recorded series of this stack, by their name. */
export function recorded(watch: Watch, name: string, matches: Readonly<Record<string, Match>> = {}): string {
  return select(name, { stack: watch.stack, ...matches });
}

function select(name: string, matches: Readonly<Record<string, Match | undefined>>): string {
  const inner = Object.entries(matches).flatMap(([label, match]) =>
    match === undefined ? [] : [`${label}${operatorOf(match)}`],
  );
  return inner.length === 0 ? name : `${name}{${inner.join(",")}}`;
}

function operatorOf(match: Match): string {
  if (typeof match === "string") return `=${quote(match)}`;
  return "like" in match ? `=~${quote(match.like)}` : `!~${quote(match.unlike)}`;
}

/** A string of PromQL: escapes as in Go. */
function quote(text: string): string {
  return JSON.stringify(text);
}

/** Alerts about the gateway: there, admitting, within its memory, connections and event loop. */
import type { Plan } from "../../../contract/plan.ts";
import {
  figure,
  inFlightPerReplica,
  mebibytes,
  near,
  poolPerReplica,
  shortestTimeout,
  streamsPerReplica,
} from "../limits.ts";
import { records } from "../recording.ts";
import { type AlertRule, type AlertText, alert } from "../rule.ts";
import { recorded, type Series, seriesOf } from "../series.ts";
import type { Watch } from "../watch.ts";

export function gatewayAlerts(plan: Plan, watch: Watch): readonly AlertRule[] {
  const series = seriesOf(watch);
  const texts = [
    ...presence(plan, watch, series),
    ...admission(plan, watch, series),
    ...stores(plan, watch, series),
    ...process(plan, watch, series),
  ];
  return texts.map((text) => alert(watch, text));
}

function presence(plan: Plan, { stack }: Watch, { gatewayUp, own, replica }: Series): readonly AlertText[] {
  const { min, max } = plan.gateway.replicas;
  const { startup } = plan.probes;
  const startS = startup.periodS * startup.failureThreshold;
  return [
    {
      name: "GatewayDown",
      expr: `absent(${gatewayUp} == 1)`,
      forS: 60,
      severity: "critical",
      summary: `${stack}: no gateway answers`,
      description: "No replica of the gateway has answered its scrape.",
    },
    {
      name: "GatewayReplicasMissing",
      expr: `count(count by (${replica}) (${gatewayUp} == 1)) < ${min}`,
      forS: 300 + startS,
      severity: "warning",
      summary: `${stack}: fewer gateways than the plan's least`,
      description: `{{ $value }} replicas answer; the plan needs ${min} for the average of the peak hour.`,
    },
    {
      name: "GatewayReplicasDiffer",
      expr: `count(count by (version, settings) (${own("mcp_build_info")})) > 1`,
      // One after the other: the slowest rollout that there may be.
      forS: 300 + max * (startS + plan.timeouts.graceS),
      severity: "warning",
      summary: `${stack}: replicas of the gateway are not the same`,
      description: "{{ $value }} kinds of version and settings run for longer than a rollout takes.",
    },
  ];
}

/** Draining replicas refuse too: that ends with their grace and is no lack of room. */
function admission(plan: Plan, watch: Watch, { own, replica }: Series): readonly AlertText[] {
  const [limit, streams] = [inFlightPerReplica(plan), streamsPerReplica(plan)];
  return [
    {
      name: "GatewayRefusing",
      expr: `sum by (class) (rate(${own("mcp_requests_refused_total")}[5m])) > 0`,
      forS: 300 + plan.timeouts.graceS,
      severity: "warning",
      summary: `${watch.stack}: requests are refused by admission`,
      description: "{{ $value | humanize }} requests per second of class {{ $labels.class }} are answered with 503.",
    },
    {
      name: "GatewayInFlightNearLimit",
      expr: `${recorded(watch, records.inFlight)} > ${near(limit)}`,
      forS: 300,
      severity: "warning",
      summary: `${watch.stack}: a gateway is nearly full`,
      description: `{{ $labels.${replica} }} has {{ $value }} requests in flight; it admits ${limit} (${plan.gateway.inFlightPerWorker} × ${plan.gateway.workers} workers).`,
    },
    {
      name: "GatewayStreamsAbovePlan",
      expr: `sum by (${replica}) (${own("mcp_streams_open")}) > ${streams}`,
      forS: 600,
      severity: "warning",
      summary: `${watch.stack}: a gateway holds more streams than planned`,
      description: `{{ $labels.${replica} }} holds {{ $value }} streams; memory and descriptors were planned for ${streams}.`,
    },
    {
      name: "PlanExceeded",
      expr: `sum by (limit) (increase(${own("mcp_plan_exceeded_total")}[15m])) > 0`,
      forS: 0,
      severity: "warning",
      summary: `${watch.stack}: there is more load than planned`,
      description:
        "{{ $labels.limit }} was exceeded {{ $value | humanize }} times within a quarter of an hour, as the gateways themselves counted.",
    },
  ];
}

function stores(plan: Plan, { stack }: Watch, { own, replica }: Series): readonly AlertText[] {
  const pool = poolPerReplica(plan);
  const connections = (state: string) => `sum by (${replica}) (${own("mcp_db_connections", { state })})`;
  return [
    {
      name: "GatewayDatabasePoolSaturated",
      expr: `${connections("waiting")} > 0 and ${connections("active")} >= ${pool}`,
      forS: 120,
      severity: "warning",
      summary: `${stack}: queries of a gateway wait for a database connection`,
      description: `{{ $value }} queries of {{ $labels.${replica} }} wait while all ${pool} connections are busy; they give up after ${plan.timeouts.dbAcquireS} s.`,
    },
    {
      name: "GatewayStateStoreFailing",
      expr: `sum by (store) (rate(${own("mcp_state_failures_total")}[5m])) > 0`,
      forS: 300,
      severity: "warning",
      summary: `${stack}: the shared state store does not answer`,
      description: "{{ $value | humanize }} operations of {{ $labels.store }} fail per second.",
    },
  ];
}

function process(plan: Plan, { stack }: Watch, { own, replica }: Series): readonly AlertText[] {
  const { memoryMiB } = plan.gateway;
  const timeout = shortestTimeout(plan);
  const p99 = own("nodejs_eventloop_delay_seconds", { percentile: "p99" });
  return [
    {
      name: "GatewayMemoryNearLimit",
      expr: `sum by (${replica}) (${own("process_resident_memory_bytes")}) > ${near(mebibytes(memoryMiB))}`,
      forS: 600,
      severity: "warning",
      summary: `${stack}: a gateway has nearly used its memory`,
      description: `{{ $labels.${replica} }} has {{ $value | humanize1024 }}B resident; its limit is ${memoryMiB} MiB.`,
    },
    {
      name: "GatewayEventLoopDelayed",
      expr: `max by (${replica}) (${p99}) > ${figure(timeout / 2)}`,
      forS: 300,
      severity: "warning",
      summary: `${stack}: the event loop of a gateway stands still`,
      description: `One time in a hundred {{ $labels.${replica} }} is {{ $value | humanizeDuration }} late; the shortest timeout it keeps is ${timeout} s.`,
    },
  ];
}

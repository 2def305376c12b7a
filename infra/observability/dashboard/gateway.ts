/** The row about the gateway's replicas, each against its share of the plan. */
import type { Plan } from "../../../contract/plan.ts";
import { TARGET_USE } from "../../sizing/index.ts";
import { inFlightPerReplica, mebibytes, poolPerReplica, shortestTimeout, streamsPerReplica } from "../limits.ts";
import { records } from "../recording.ts";
import { recorded, type Series, seriesOf } from "../series.ts";
import type { Watch } from "../watch.ts";
import type { PanelText, RowText } from "./model.ts";

export function gatewayRow(plan: Plan, watch: Watch): RowText {
  const series = seriesOf(watch);
  return {
    title: "Gateway",
    panels: [...admissionPanels(plan, watch, series), ...processPanels(plan, series), ...storePanels(plan, series)],
  };
}

function admissionPanels(plan: Plan, watch: Watch, { own, replica }: Series): readonly PanelText[] {
  const legend = `{{${replica}}}`;
  return [
    {
      title: "In flight",
      description: "Calls and lists being served by a replica, and how many it admits.",
      unit: "short",
      queries: [{ expr: recorded(watch, records.inFlight), legend }],
      limit: { value: inFlightPerReplica(plan), name: "admitted at most" },
    },
    {
      title: "Refused by admission",
      description:
        "Answered with 503 before anything was done, by class and reason; and calls whose upstream had its share of the slots.",
      unit: "reqps",
      queries: [
        {
          expr: `sum by (class, reason) (rate(${own("mcp_requests_refused_total")}[5m])) > 0`,
          legend: "{{class}}: {{reason}}",
        },
        { expr: `sum by (upstream) (rate(${own("mcp_upstream_refused_total")}[5m])) > 0`, legend: "to {{upstream}}" },
      ],
    },
    {
      title: "Use of the slots",
      description:
        "Calls and lists being served over the slots there are at the moment; under pressure these become fewer.",
      unit: "percentunit",
      queries: [{ expr: recorded(watch, records.admissionUse), legend }],
      limit: { value: TARGET_USE, name: "the peak that was planned for" },
    },
    {
      title: "Streams",
      description: "Open client streams of a replica, and how many the plan expects when the fewest replicas run.",
      unit: "short",
      queries: [{ expr: `sum by (${replica}) (${own("mcp_streams_open")})`, legend }],
      limit: { value: streamsPerReplica(plan), name: "planned" },
    },
    {
      title: "Plan exceeded",
      description: "How often the load of a worker rose above what the plan says, by limit.",
      unit: "ops",
      queries: [{ expr: `sum by (limit) (rate(${own("mcp_plan_exceeded_total")}[5m]))`, legend: "{{limit}}" }],
    },
  ];
}

function processPanels(plan: Plan, { own, replica, gatewayUp }: Series): readonly PanelText[] {
  const legend = `{{${replica}}}`;
  return [
    {
      title: "Event loop delay (p99)",
      description: "Of the worst worker of a replica; half the shortest timeout that it keeps is too much.",
      unit: "s",
      queries: [
        { expr: `max by (${replica}) (${own("nodejs_eventloop_delay_seconds", { percentile: "p99" })})`, legend },
      ],
      limit: { value: shortestTimeout(plan) / 2, name: "half the shortest timeout" },
    },
    {
      title: "Memory",
      description: "Resident memory of all processes of a replica, and its limit.",
      unit: "bytes",
      queries: [{ expr: `sum by (${replica}) (${own("process_resident_memory_bytes")})`, legend }],
      limit: { value: mebibytes(plan.gateway.memoryMiB), name: "limit" },
    },
    {
      title: "CPU",
      description: "Cores that a replica uses, and how many it has.",
      unit: "short",
      queries: [{ expr: `sum by (${replica}) (rate(${own("process_cpu_seconds_total")}[5m]))`, legend }],
      limit: { value: plan.gateway.cpu, name: "limit" },
    },
    {
      title: "Replicas",
      description: "That answer their scrape, and the plan's fewest.",
      unit: "short",
      queries: [{ expr: `count(count by (${replica}) (${gatewayUp} == 1))`, legend: "answering" }],
      limit: { value: plan.gateway.replicas.min, name: "fewest" },
    },
  ];
}

function storePanels(plan: Plan, { own, replica }: Series): readonly PanelText[] {
  const connections = `sum by (${replica}, state) (${own("mcp_db_connections")})`;
  return [
    {
      title: "Database connections",
      description: "Of a replica by state; waiting are the queries that have none.",
      unit: "short",
      queries: [{ expr: connections, legend: `{{${replica}}} {{state}}` }],
      limit: { value: poolPerReplica(plan), name: "pool" },
    },
    {
      title: "Failures of the shared state store",
      description: "Operations that it did not answer.",
      unit: "ops",
      queries: [{ expr: `sum by (store) (rate(${own("mcp_state_failures_total")}[5m]))`, legend: "{{store}}" }],
    },
  ];
}

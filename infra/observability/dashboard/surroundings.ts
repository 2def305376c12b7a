/** Rows about nginx and about what Kubernetes does with the pods. */
import type { Plan } from "../../../contract/plan.ts";
import { clientsPerNginx } from "../limits.ts";
import { records } from "../recording.ts";
import { recorded, seriesOf } from "../series.ts";
import type { Watch } from "../watch.ts";
import type { RowText } from "./model.ts";

export function nginxRows(plan: Plan, watch: Watch): readonly RowText[] {
  if (watch.nginx.job === null) return [];
  const { foreign } = seriesOf(watch);
  const requests = (by: string) => `sum${by} (rate(${foreign("nginx_http_requests_total")}[5m]))`;
  const rate = (name: "nginx_connections_accepted" | "nginx_connections_handled") => `rate(${foreign(name)}[5m])`;
  return [
    {
      title: "nginx",
      panels: [
        {
          title: "Clients",
          description: "Connections of clients, and how many one nginx holds with as many to gateways.",
          unit: "short",
          queries: [{ expr: foreign("nginx_connections_active"), legend: "{{instance}}" }],
          limit: { value: clientsPerNginx(plan), name: "worker_connections ÷ 2" },
        },
        {
          title: "Requests",
          description: "Of clients, by instance.",
          unit: "reqps",
          queries: [{ expr: requests(" by (instance)"), legend: "{{instance}}" }],
        },
        {
          title: "Answered without a gateway",
          description:
            "Share of the requests that no gateway has counted: cache hits and what nginx itself refuses. Which of them were hits stands in the header X-Cache-Status and, where it is on, in the access log.",
          unit: "percentunit",
          queries: [
            {
              expr: `clamp_min(1 - sum(${recorded(watch, records.rate)}) / ${requests("")}, 0)`,
              legend: "cache and refusals",
            },
          ],
        },
        {
          title: "Connections dropped",
          description: "Accepted by the kernel and closed unanswered, because nginx had no room for them.",
          unit: "ops",
          queries: [
            {
              expr: `${rate("nginx_connections_accepted")} - ${rate("nginx_connections_handled")}`,
              legend: "{{instance}}",
            },
          ],
        },
      ],
    },
  ];
}

export function kubernetesRows({ autoscaling }: Plan, watch: Watch): readonly RowText[] {
  if (watch.cluster === null) return [];
  const { foreign } = seriesOf(watch);
  const replicas = (which: "current" | "desired") =>
    `max(${foreign(`kube_horizontalpodautoscaler_status_${which}_replicas`)})`;
  return [
    {
      title: "Kubernetes",
      panels: [
        ...(autoscaling.enabled
          ? [
              {
                title: "Replicas of the gateway",
                description: "That run, that the autoscaler wants, and the plan's most.",
                unit: "short" as const,
                queries: [
                  { expr: replicas("current"), legend: "current" },
                  { expr: replicas("desired"), legend: "desired" },
                ],
                limit: { value: autoscaling.max, name: "most" },
              },
            ]
          : []),
        {
          title: "Restarts within an hour",
          description: "By container.",
          unit: "short",
          queries: [
            {
              expr: `sum by (pod, container) (increase(${foreign("kube_pod_container_status_restarts_total")}[1h])) > 0`,
              legend: "{{pod}} {{container}}",
            },
          ],
        },
        {
          title: "Disruptions allowed",
          description: "0 for long means that a node cannot be drained.",
          unit: "short",
          queries: [
            {
              expr: foreign("kube_poddisruptionbudget_status_pod_disruptions_allowed"),
              legend: "{{poddisruptionbudget}}",
            },
          ],
        },
      ],
    },
  ];
}

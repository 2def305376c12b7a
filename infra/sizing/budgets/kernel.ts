/** What the kernel has to grant: backlogs, sysctls, ports. */
import type { Plan } from "../../../contract/plan.ts";
import { safeSysctls } from "../../../contract/sysctls.ts";
import { type BudgetRule, refuse, warn } from "./rule.ts";

const TIME_WAIT_S = 60;

function backlog(name: string, path: string, of: (plan: Plan) => number | undefined): BudgetRule {
  return warn({
    id: "I29",
    statement: `listen backlog of ${name} ≤ somaxconn`,
    unit: "connections",
    source: "listen(2): the kernel cuts a longer one silently",
    terms: [path, "kernel.somaxconn"],
    sides: ({ plan }) => {
      const length = of(plan);
      return length === undefined ? undefined : [length, plan.kernel.somaxconn];
    },
  });
}

function unsafeOf({ sysctls, kubernetesMinor }: Plan["kernel"]): readonly string[] {
  const safe = safeSysctls(kubernetesMinor);
  return sysctls.filter((name) => !safe.includes(name));
}

export const kernel: readonly BudgetRule[] = [
  backlog("the gateway", "gateway.backlog", (plan) => plan.gateway.backlog),
  backlog("nginx", "nginx.backlog", (plan) => plan.nginx.backlog),
  backlog("PgBouncer", "pgbouncer.listenBacklog", (plan) => plan.pgbouncer?.listenBacklog),
  backlog("Redis", "redis.tcpBacklog", (plan) => plan.redis.tcpBacklog),
  refuse({
    id: "I30",
    statement: "sysctls that the cluster does not allow ≤ 0",
    unit: "sysctls",
    source: "Kubernetes documentation, safe and unsafe sysctls",
    terms: [
      "input.cluster.somaxconn",
      "input.cluster.ephemeralPorts",
      "kernel.unsafeSysctls",
      "kernel.kubernetesMinor",
    ],
    sides: ({ plan: { kernel } }) => [kernel.unsafeSysctls ? 0 : unsafeOf(kernel).length, 0],
  }),
  warn({
    id: "I31",
    statement: "60 s · new connections per second from an nginx to one address ≤ ephemeral ports",
    unit: "ports",
    source: "TCP: a closed connection keeps its port for 60 s (TIME_WAIT)",
    terms: ["nginx.newConnectionsPerSecond", "kernel.ephemeralPorts"],
    sides: ({ plan }) => [TIME_WAIT_S * plan.nginx.newConnectionsPerSecond, plan.kernel.ephemeralPorts],
  }),
];

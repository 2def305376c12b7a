/** What is pinned on the side that others make room for must not be less than what follows from the rest. */
import { type BudgetRule, refuse } from "./rule.ts";

const DEMANDS: Readonly<Record<string, string>> = {
  "load.gatewayRps": "requests/s",
  "load.averageRps": "requests/s",
  "load.inFlight": "requests",
  "load.dbConnectionsBusy": "connections",
  "load.dbCores": "cores",
  "database.appConnections": "connections",
  "pgbouncer.pools": "pools",
  "redis.connections": "connections",
  "mcp.keys": "keys",
  "disruption.zones": "zones",
};

export const demands: readonly BudgetRule[] = Object.entries(DEMANDS).map(([path, unit]) =>
  refuse({
    id: "I59",
    statement: `${path} as it follows from the rest ≤ ${path} as it is pinned`,
    unit,
    source: "a demand that is pinned away would prove nothing; change what it follows from",
    terms: [path],
    sides: ({ understated }) => understated.get(path),
  }),
);

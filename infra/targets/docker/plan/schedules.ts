/** What runs by the clock: an engine has none, so these containers are made and not started, and whoever has a clock starts them. */
import type { Topology } from "../../../topology/index.ts";
import type { DockerSchedule } from "./model.ts";
import { nameOf } from "./naming.ts";

export function schedulesOf(topology: Topology): readonly DockerSchedule[] {
  return topology.workloads.flatMap(({ name, shape }) => {
    if (shape.kind !== "schedule") return [];
    const container = nameOf(topology, name);
    return [{ container, cron: shape.cron, command: `docker start --attach ${container}` }];
  });
}

/** What the connections of a bounded engine have in common. */
import type { Application } from "../../../contract/http.ts";
import type { Deadlines } from "../deadlines.ts";
import type { ConnectionServer, EngineOptions } from "../engine.ts";
import type { InFlight } from "../in-flight.ts";
import type { Connection } from "./connection.ts";

export type Surroundings = {
  readonly options: EngineOptions;
  readonly application: Application;
  readonly deadlines: Deadlines;
  readonly inFlight: InFlight;
  readonly connections: Set<Connection>;
  /** Takes connections for good. */
  readonly handOver: ConnectionServer;
  isDraining: boolean;
};

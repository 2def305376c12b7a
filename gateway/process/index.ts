/** The door of the process room: our own child processes, from both sides. */
export { attend, type CrewLine, type Worker } from "./attend.ts";
export { type Channel, parentChannel } from "./channel.ts";
export {
  type ChildMessage,
  type ChildState,
  describeExit,
  restartDelayMs,
  StartFailure,
  type SupervisedChild,
  type SuperviseOptions,
  superviseChild,
} from "./child.ts";
export { Crew } from "./crew.ts";
export type { CrewOptions, RespawnReason } from "./crew-options.ts";
export { forking } from "./fork-member.ts";
export { lineLog, relayLogLine } from "./log-lines.ts";
export { onParentGone, type Service, sendToParent, serveParent } from "./parent.ts";
export { spawning } from "./spawn-member.ts";
export { type EmbeddedDatabase, startEmbeddedDatabase } from "./start-database.ts";
export { type RunningStdioHost, type StdioHostOptions, startStdioHost } from "./start-stdio-host.ts";

/** The door of the process room: our own child processes, from both sides. */
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
export { lineLog, relayLogLine } from "./log-lines.ts";
export { onParentGone, type Service, sendToParent, serveParent } from "./parent.ts";
export { type EmbeddedDatabase, startEmbeddedDatabase } from "./start-database.ts";
export { type RunningStdioHost, type StdioHostOptions, startStdioHost } from "./start-stdio-host.ts";

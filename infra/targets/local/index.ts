/** The door of the local target: a topology as processes on loopback, without Pulumi, Docker or a cluster. */

export type { Launch } from "./launch.ts";
export { findPrograms, type NginxModules, type Program, type Programs, requirePrograms } from "./programs.ts";
export { openSecrets, variableOf } from "./secrets.ts";
export {
  applyTo,
  prepare,
  type Running,
  runDetached,
  runHere,
  runSchedule,
  type Say,
  type Status,
  statusOf,
  stopStack,
} from "./stack.ts";
export { type Record, readState, type State } from "./state.ts";
export { type User, type Users, usersFor } from "./users.ts";

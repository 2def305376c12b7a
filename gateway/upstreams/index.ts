/** The door of the upstreams room. */

export type { BuiltinRequest, BuiltinServer } from "./builtin.ts";
export type { CircuitListener, CircuitState, CircuitView } from "./circuits.ts";
export {
  type AddressGuard,
  AddressRefused,
  createAddressGuard,
  type GuardPolicy,
  type Trust,
} from "./guard/index.ts";
export type { KeptAnswersOptions } from "./kept-answers.ts";
export {
  type ClientRules,
  type FlowState,
  openUpstreamAuthorization,
  type UpstreamAuthorization,
} from "./oauth/index.ts";
export type { UpstreamMetrics, UpstreamsOptions } from "./options.ts";
export type { Connector } from "./origins.ts";
export {
  isPassable,
  type PassedNames,
  type PassthroughPolicy,
  passedNames,
  passedOf,
  unusedNames,
} from "./passthrough.ts";
export { type AccessToken, type IdentityOptions, isPersonal, type TokenSource } from "./personal.ts";
export type { PoolFigures, PoolKeyFigures, PoolOptions } from "./pool.ts";
export type { HealthMethod } from "./pool-health.ts";
export * from "./rest/operation.ts";
export { REST_CAPABILITIES, type RestOptions } from "./rest/server.ts";
export { compile as compileRestTool, type RestToolSource } from "./rest/tools.ts";
export { type Check, compileCheck } from "./rest/validator.ts";
export { createUpstreams } from "./room.ts";
export type * from "./types.ts";

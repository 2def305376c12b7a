/** The door of the topology: what runs, rendered files, who may talk to whom, and the rules over it. */

export {
  type Composition,
  type CompositionInput,
  composeTopology,
  type DeploymentRefusal,
} from "./compose.ts";
export { type Deployment, deploymentSchema } from "./deployment.ts";
export {
  type Edge,
  isTier,
  listEdges,
  type Outsider,
  type Party,
  type Protocol,
  type Surroundings,
  type Tier,
} from "./edges.ts";
export { renderHba } from "./files/hba.ts";
export { renderNginx } from "./files/nginx.ts";
export { renderCredentialScript } from "./files/nginx-cache.ts";
export { renderPgbouncer, renderUserlist } from "./files/pgbouncer.ts";
export type * from "./files/place.ts";
export { renderPostgresql } from "./files/postgresql.ts";
export { renderRedis } from "./files/redis.ts";
export { PlaceError } from "./files/writing.ts";
export { AUTHORITY_FILE } from "./gateway-tls.ts";
export {
  DOCKER_INSIDE,
  DOCKER_LABELS,
  dockerGround,
  kubernetesGround,
  type LocalMachine,
  localGround,
} from "./grounds.ts";
export type * from "./model.ts";
export { containsNetwork } from "./network.ts";
export { refusalText } from "./refusals.ts";
export {
  type ClosedHalf,
  checkNetworkPolicies,
  closedHalves,
  type Direction,
  type Policy,
  type RuleOutcome,
} from "./rules.ts";
export { fractionOfDay } from "./schedule.ts";
export { resolveText, type SecretEncoding, secretMarker, secretsIn } from "./secret-text.ts";
export { passwordSettings, SECRETS } from "./secrets.ts";
export { DATABASE, ROLES } from "./site.ts";
export { resolveSubnets, subnetMarker, subnetsIn } from "./subnet-text.ts";
export { BUILT_IMAGE, planSettings } from "./tiers/gateway.ts";
export { scratchMiB } from "./workload.ts";

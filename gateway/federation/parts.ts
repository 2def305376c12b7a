/** What the files of this room share; made once by createFederation. */
import type { Envelope, Era } from "../mcp/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { UpstreamProfile, Upstreams } from "../upstreams/index.ts";
import type { Pinning } from "./pinning.ts";
import type { Caller, ViewUpstream } from "./types.ts";

export type FederationParts = {
  readonly upstreams: Upstreams;
  readonly log: Log;
  /** Absent: nothing is compared with what was approved. */
  readonly pinning: Pinning | undefined;
  readonly separator: string;
  readonly listTimeoutMs: number;
  /** Raw JSON number, unique among this gateway's processes. */
  readonly nextId: () => string;
  /** The upstream's profile, within a bound of time. */
  readonly profile: (upstream: ViewUpstream, era: Era, timeoutMs: number) => Promise<UpstreamProfile>;
  readonly countPartial: (gateway: string, method: string, code: string) => void;
  /** Something an upstream sent beside an answer; goes up to the sessions. */
  readonly strayMessage: (upstream: ViewUpstream, caller: Caller, raw: Buffer, envelope: Envelope) => void;
  /** A request of this caller has reached this upstream: from now on its session may have a stream. */
  readonly opened: (upstream: ViewUpstream, caller: Caller, profile: UpstreamProfile) => void;
};

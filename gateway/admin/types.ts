/** What the handlers of this room are given and give. */

import type { GatewayRequest, RestResponse } from "../../contract/http.ts";
import type { RouteDescription } from "../../contract/rest.ts";
import type { Caches } from "../cache/index.ts";
import type { RecordRepository } from "../store/index.ts";
import type { BufferFigures, ChainKeys } from "../telemetry/index.ts";

export type AdminRequest = {
  readonly params: Readonly<Record<string, string>>;
  readonly request: GatewayRequest;
};
export type AdminHandler = (asked: AdminRequest) => Promise<RestResponse>;

/** One route: how it is answered and what is said of it. Every subject of this room is a record of these, by route id. */
export type AdminRoute = { readonly handle: AdminHandler; readonly description: RouteDescription };
export type AdminRoutes = Readonly<Record<string, AdminRoute>>;

export type ItemName = {
  readonly gatewayId: string;
  readonly kind: "tool" | "resource" | "prompt";
  readonly name: string;
};

export type RecordParts = {
  readonly records: RecordRepository;
  /** The item of this id, by the name its calls are recorded under. */
  readonly itemOf: (kind: ItemName["kind"], id: string) => Promise<ItemName | undefined>;
  readonly chainKeys: ChainKeys;
  /** How long aggregates are kept; 0 keeps none. */
  readonly cacheTtlMs: number;
  /** Makes the cache; without it that is its own, kept and counted by nobody else. */
  readonly caches?: Pick<Caches, "create">;
  /** Rows of one answer at most. */
  readonly maxResults: number;
  /** Writes what waits in this process. */
  readonly flush: () => Promise<void>;
  readonly buffers: () => Readonly<Record<string, BufferFigures>>;
  /** Adds up the hours that are over; answers up to where, ISO 8601, or null when somebody else is at it. */
  readonly rollUp: () => Promise<string | null>;
  /** Drops what is past its time; answers how many of what. */
  readonly cleanUp: () => Promise<Readonly<Record<string, number>>>;
  /** Epoch milliseconds. */
  readonly now: () => number;
};

/** What the registry's parts are given, and what its handlers take and answer. */
import type { GatewayRequest, RestResponse } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { CircuitState } from "../upstreams/index.ts";
import type { InspectParts } from "./inspect.ts";
import type { AuthorizationParts } from "./oauth.ts";

/** What the registry's handlers share. */
export type RegistryParts = InspectParts & {
  /** Between slug and name in listed names (GATEWAY_TOOL_NAME_SEPARATOR). */
  readonly separator: string;
  /** Whether what belongs to a team may be public (ALLOW_PUBLIC_VISIBILITY); absent: it may. */
  readonly allowsPublic?: boolean;
  /** How this worker gets on with an upstream; "closed" = well, for all when absent. */
  readonly circuitOf?: (id: string) => CircuitState;
  /** How users authorise the gateway at upstreams; they cannot when absent. */
  readonly authorization?: AuthorizationParts;
  /** Absent: nothing can be imported. */
  readonly imports?: ImportParts;
  /** Told of tools of ours that were approved by being changed; nobody is when absent. */
  readonly approved?: (call: Pick<Call, "request" | "principal">, gatewayId: string, tools: readonly string[]) => void;
  /** Whether, and to which hosts (any when empty), a credential may go in the query; nowhere when absent. */
  readonly queryAuth?: { readonly allowed: boolean; readonly hosts: readonly string[] };
  /** Why an address may not be used, with its name resolved; undefined = it may. */
  readonly checkAddress?: (url: URL) => Promise<string | undefined>;
};

export type ImportParts = {
  /** Of an OpenAPI document. */
  readonly maxBytes: number;
  readonly maxTools: number;
  /** Rejects with a Fault. */
  readonly fetchDocument: (url: string) => Promise<Buffer>;
};

/** One request of a REST route; `id` and `name` are the path's, empty where it has none. */
export type Call = {
  readonly id: string;
  readonly name: string;
  readonly request: GatewayRequest;
  readonly principal: Principal;
};
export type Handler = (call: Call) => Promise<RestResponse>;

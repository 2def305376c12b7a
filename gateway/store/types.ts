/** The door of the store room. Only plain data crosses it: no connection, no row object, no query builder. */

import type { Outbound, OutboundSecrets } from "./outbound.ts";
import type { PinPolicies, ToolPin } from "./pins.ts";

/** The narrow view of a database that repositories inside the room are written against. */
export interface Sql {
  query<Row extends Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<Row[]>;
}

export type Visibility = "private" | "team" | "public";
export type ItemKind = "tool" | "resource" | "resourceTemplate" | "prompt";

/** A registered upstream as the registry and the federation see it. Credentials are decrypted here and nowhere else. */
export type GatewayRecord = {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly description: string;
  readonly transport: "STREAMABLEHTTP" | "SSE" | "STDIO" | "REST" | "BUILTIN";
  readonly url: string | null;
  readonly stdio: {
    readonly command: string;
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly cwd: string | null;
    readonly isolation: "session" | "shared";
  } | null;
  /** Of an HTTP upstream: `shared` declares that it keeps nothing in its sessions. Absent: nobody has said so. */
  readonly isolation?: "session" | "shared";
  readonly era: "auto" | "legacy" | "modern";
  /** Request headers that carry the stored credentials; secret. */
  readonly authHeaders: Readonly<Record<string, string>>;
  readonly authType: "none" | "basic" | "bearer" | "authheaders" | "oauth" | "query_param";
  /** Further credentials and what of callers is told; absent when there is none of it. */
  readonly outbound?: Outbound;
  /** Secret. */
  readonly secrets?: OutboundSecrets;
  readonly passthroughHeaders: readonly string[];
  readonly requestTimeoutMs: number | null;
  readonly tags: readonly string[];
  readonly visibility: Visibility;
  readonly teamId: string | null;
  readonly ownerEmail: string | null;
  readonly enabled: boolean;
  readonly reachable: boolean;
  readonly lastError: string | null;
  readonly lastSeen: string | null;
  readonly lastRefreshAt: string | null;
  readonly capabilities: unknown;
  readonly instructions: string | null;
  /** Only `api` is editable over REST; `config` is declared in mcp.json, `builtin` is what the gateway hosts itself. */
  readonly source: "api" | "config" | "builtin";
  /** Hash of what makes up the connection; of a REST upstream also which version of its operations. */
  readonly revision: string;
  readonly createdAt: string;
  readonly updatedAt: string;
};

/** What the federation needs of one listed item; the definition itself comes live from the upstream. */
export type ItemRecord = {
  readonly id: string;
  readonly kind: ItemKind;
  readonly gatewayId: string;
  /** Tool or prompt name, resource URI or uriTemplate, as the upstream calls it. */
  readonly originalName: string;
  /** Name chosen by an administrator; null = derived from the upstream's. */
  readonly customName: string | null;
  readonly enabled: boolean;
  readonly visibility: Visibility;
  readonly teamId: string | null;
  readonly ownerEmail: string | null;
  /** Definition (raw JSON) of a tool some of whose arguments travel in headers; null for all others, which are most. */
  readonly headerDefinition: string | null;
  /** A tool that declares that it only reads, or that repeating a call changes nothing (MCP tool annotations). */
  readonly repeatable: boolean;
};

/** A virtual server: a chosen part of the federation behind an endpoint of its own. */
export type ServerRecord = {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly icon: string | null;
  readonly tags: readonly string[];
  /** Whole upstreams, with everything they list now and later. */
  readonly gatewayIds: readonly string[];
  /** Single items, by their ids. */
  readonly itemIds: readonly string[];
  /** `conditional`: prefix when more than one upstream is behind this server. */
  readonly prefixMode: "conditional" | "always" | "never";
  /** `closed`: a list fails when one upstream fails. */
  readonly failureMode: "open" | "closed";
  readonly visibility: Visibility;
  readonly teamId: string | null;
  readonly ownerEmail: string | null;
  readonly enabled: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
};

/** One consistent picture for the federation, loaded at start and whenever the version moves. */
export type CatalogueSnapshot = {
  /** Grows with every change of what may be seen or called. */
  readonly version: number;
  readonly gateways: readonly GatewayRecord[];
  readonly servers: readonly ServerRecord[];
  readonly items: readonly ItemRecord[];
  /** Approved definitions of tools, and policies of single upstreams. */
  readonly pins?: readonly ToolPin[];
  readonly pinPolicies?: PinPolicies;
};

/** What of an upstream is chosen by people; the rest of GatewayRecord is found out or derived. */
export type GatewayInput = Pick<
  GatewayRecord,
  | "slug"
  | "name"
  | "description"
  | "transport"
  | "url"
  | "stdio"
  | "isolation"
  | "era"
  | "authHeaders"
  | "authType"
  | "outbound"
  | "secrets"
  | "passthroughHeaders"
  | "requestTimeoutMs"
  | "tags"
  | "visibility"
  | "teamId"
  | "ownerEmail"
  | "enabled"
  | "source"
>;

/** One entry of an upstream's lists; `definition` is raw JSON. */
export type ListedItem = { readonly kind: ItemKind; readonly originalName: string; readonly definition: string };

/** What asking an upstream brought: its lists, or why there are none. */
export type InspectionOutcome =
  | {
      readonly ok: true;
      /** Raw JSON. */
      readonly capabilities: string;
      readonly instructions: string | null;
      readonly items: readonly ListedItem[];
      /** Lists that were not read to their end: what is missing there has not vanished. */
      readonly incomplete: readonly ItemKind[];
      /** What is shown of that beside the upstream, or null. */
      readonly note: string | null;
    }
  | { readonly ok: false; readonly reason: string };

/** An item with all that REST shows of it. */
export type ItemDetail = Omit<ItemRecord, "headerDefinition" | "repeatable"> & {
  readonly displayName: string | null;
  readonly description: string | null;
  /** Raw JSON as the upstream sent it. */
  readonly definition: string;
  readonly tags: readonly string[];
  readonly gatewaySlug: string;
  readonly reachable: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
};

export type ItemPatch = Partial<
  Pick<
    ItemDetail,
    "customName" | "displayName" | "description" | "tags" | "visibility" | "teamId" | "ownerEmail" | "enabled"
  >
>;
/** `base64` is for what is no text. */
export type HostedBody = { readonly body: string; readonly encoding: "text" | "base64" };
/** What MCP shows of a hosted item (raw JSON), under which name, and what is behind it. */
export type HostedEntry = HostedBody & { readonly originalName: string; readonly definition: string };
export type HostedInput = HostedEntry & { readonly kind: "resource" | "resourceTemplate" | "prompt" };
/** Raw JSON definitions; `next` is where the next page begins. */
export type HostedPage = { readonly definitions: readonly string[]; readonly next?: number };
export type ServerInput = Omit<ServerRecord, "id" | "createdAt" | "updatedAt">;

/** Whose eyes a read has: an administrator sees all, others what is public, their own or their teams'. */
/** `id` null: what he owns does not count here. */
export type Viewer = { readonly id: string | null; readonly admin: boolean; readonly teams: readonly string[] };

export type ListQuery = {
  /** 0 = all. */
  readonly limit: number;
  /** Position after which the page begins; 0 = from the start. */
  readonly after: number;
  readonly includeInactive: boolean;
  /** Any of these. */
  readonly tags?: readonly string[];
  readonly visibility?: Visibility;
  readonly teamId?: string;
  /** Items only. */
  readonly gatewayId?: string;
  /** Items only: those of a virtual server. */
  readonly serverId?: string;
};
/** `next` is the position to go on after; absent on the last page. */
export type Page<T> = { readonly rows: readonly T[]; readonly next?: number };

/** Seals and opens what must not be readable in the database; `purpose` is a constant of the code. */
export interface Sealing {
  seal(purpose: string, payload: string): string;
  /** Undefined when it was sealed elsewhere, for another purpose, was changed, or its key is gone. */
  open(purpose: string, token: string): Buffer | undefined;
}

/** Rows of `tool_pin`: what was approved of each upstream's tools, and what has come in its place. */
import { toolForm } from "../mcp/index.ts";
import type { Sql } from "./types.ts";

export type PinPolicy = "off" | "flag" | "quarantine";

/** What the federation needs of a pin. */
export type ToolPin = {
  readonly gatewayId: string;
  readonly name: string;
  /** Null: nothing of this name was approved yet. */
  readonly digest: string | null;
  /** What was seen last, where it is not what was approved. */
  readonly pendingDigest: string | null;
};
export type PinPolicies = Readonly<Record<string, PinPolicy>>;

/** A pin with what people have to see of it; definitions are canonical JSON. */
export type PinDetail = ToolPin & {
  readonly definition: string | null;
  readonly approvedAt: string | null;
  readonly approvedBy: string | null;
  readonly pendingDefinition: string | null;
  readonly pendingSince: string | null;
  readonly flags: readonly string[];
  /** What is pending was refused. */
  readonly isRejected: boolean;
  readonly firstSeen: string;
};

/** A tool as an upstream lists it now. `isTrusted`: approved at first sight. */
export type Sighting = {
  readonly name: string;
  readonly digest: string;
  readonly definition: string;
  readonly flags: readonly string[];
  readonly isTrusted: boolean;
};
/** `first`: not known before; `changed`: another definition than was approved; `restored`: the approved one again. */
export type PinChange = { readonly name: string; readonly kind: "first" | "changed" | "restored" };

export interface PinOperations {
  /** What differs from what is known; the catalogue's version moves only where something does. */
  observeTools(gatewayId: string, sightings: readonly Sighting[]): Promise<readonly PinChange[]>;
  listPins(filter: { readonly gatewayId?: string; readonly isPending?: boolean }): Promise<readonly PinDetail[]>;
  getPin(gatewayId: string, name: string): Promise<PinDetail | undefined>;
  /** False when `digest` is no longer what is pending: something else has come since. */
  decidePin(gatewayId: string, name: string, digest: string, by: string, approve: boolean): Promise<boolean>;
  /** Null: TOOL_PIN_POLICY holds. */
  setPinPolicy(gatewayId: string, policy: PinPolicy | null): Promise<void>;
}

type Row = {
  gateway_id: string;
  name: string;
  digest: string | null;
  definition: string | null;
  approved_at: Date | null;
  approved_by: string | null;
  pending_digest: string | null;
  pending_definition: string | null;
  pending_since: Date | null;
  flags: string[];
  rejected_digest: string | null;
  first_seen: Date;
};

// One statement: two workers that see the same change at once agree, and an unchanged tool is not written.
const OBSERVE = `
insert into tool_pin as p (gateway_id, name, digest, definition, approved_at, approved_by, pending_digest, pending_definition, pending_since, flags)
select $1, name, case when trusted then digest end, case when trusted then definition end, case when trusted then now() end,
  case when trusted then 'first seen' end, case when trusted then null else digest end, case when trusted then null else definition end,
  case when trusted then null else now() end, string_to_array(flags, ',')
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[]) as seen (name, digest, definition, flags, trusted)
where exists (select 1 from gateway where id = $1)
on conflict (gateway_id, name) do update set
  pending_digest = nullif(coalesce(excluded.digest, excluded.pending_digest), p.digest),
  pending_definition = case when coalesce(excluded.digest, excluded.pending_digest) = p.digest then null
    else coalesce(excluded.definition, excluded.pending_definition) end,
  pending_since = case when coalesce(excluded.digest, excluded.pending_digest) = p.digest then null else now() end,
  flags = excluded.flags
where nullif(coalesce(excluded.digest, excluded.pending_digest), p.digest) is distinct from p.pending_digest
returning name, case when p.xmax = 0 then 'first' when p.pending_digest is null then 'restored' else 'changed' end as kind`;

// What its operator wrote is what shall be shown, whatever was approved or waited before.
const APPROVE = `
insert into tool_pin as p (gateway_id, name, digest, definition, approved_at, approved_by)
select $1, name, digest, definition, now(), $5 from unnest($2::text[], $3::text[], $4::text[]) as own (name, digest, definition)
on conflict (gateway_id, name) do update set digest = excluded.digest, definition = excluded.definition, approved_at = now(),
  approved_by = excluded.approved_by, pending_digest = null, pending_definition = null, pending_since = null, rejected_digest = null,
  rejected_by = null
where p.digest is distinct from excluded.digest or p.pending_digest is not null
returning name`;
/** Longer names are not pinned. */
const MAX_NAME_CHARS = 500;

/** Definitions as an upstream of ours will list them, within the transaction that stores them. Names of those that were not approved before. */
export async function approveTools(
  sql: Sql,
  gatewayId: string,
  tools: readonly { readonly name: string; readonly definition: string }[],
  by: string,
): Promise<readonly string[]> {
  const own = tools.flatMap(({ name, definition }) => {
    const form = name.length > MAX_NAME_CHARS ? undefined : toolForm(definition);
    return form === undefined ? [] : [{ name, ...form }];
  });
  if (own.length === 0) return [];
  const rows = await sql.query<{ name: string }>(APPROVE, [
    gatewayId,
    own.map(({ name }) => name),
    own.map(({ digest }) => digest),
    own.map(({ definition }) => definition),
    by,
  ]);
  const written = new Set(rows.map(({ name }) => name));
  return own.flatMap(({ name }) => (written.has(name) ? [name] : []));
}

type Listed = { readonly name: string; readonly definition: string };

/** Whether what was approved of one is approved of the other: their name and what a pin is made of. */
export function isSameTool(one: Listed, other: Listed): boolean {
  return one.name === other.name && toolForm(one.definition)?.digest === toolForm(other.definition)?.digest;
}

const SELECT = `select p.* from tool_pin p join gateway g on g.id = p.gateway_id`;

function detailOf(row: Row): PinDetail {
  return {
    gatewayId: row.gateway_id,
    name: row.name,
    digest: row.digest,
    definition: row.definition,
    approvedAt: row.approved_at?.toISOString() ?? null,
    approvedBy: row.approved_by,
    pendingDigest: row.pending_digest,
    pendingDefinition: row.pending_definition,
    pendingSince: row.pending_since?.toISOString() ?? null,
    flags: row.flags,
    isRejected: row.pending_digest !== null && row.pending_digest === row.rejected_digest,
    firstSeen: row.first_seen.toISOString(),
  };
}

/** For the snapshot of the catalogue. */
export async function cataloguePins(
  sql: Sql,
): Promise<{ readonly pins: readonly ToolPin[]; readonly pinPolicies: PinPolicies }> {
  const rows = await sql.query<{
    gateway_id: string;
    name: string;
    digest: string | null;
    pending_digest: string | null;
  }>("select gateway_id, name, digest, pending_digest from tool_pin");
  const policies = await sql.query<{ gateway_id: string; policy: PinPolicy }>(
    "select gateway_id, policy from gateway_pin_policy",
  );
  return {
    pins: rows.map((row) => ({
      gatewayId: row.gateway_id,
      name: row.name,
      digest: row.digest,
      pendingDigest: row.pending_digest,
    })),
    pinPolicies: Object.fromEntries(policies.map(({ gateway_id, policy }) => [gateway_id, policy])),
  };
}

type Runner = {
  read<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  write<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
};

export function pinOperations({ read, write }: Runner): PinOperations {
  const isNews = async (sql: Sql, gatewayId: string, sightings: readonly Sighting[]) => {
    const rows = await sql.query<{ name: string; digest: string | null; pending_digest: string | null }>(
      "select name, digest, pending_digest from tool_pin where gateway_id = $1",
      [gatewayId],
    );
    const known = new Map(rows.map((row) => [row.name, row]));
    return sightings.some(({ name, digest }) => {
      const row = known.get(name);
      return row === undefined || (row.digest === digest ? null : digest) !== row.pending_digest;
    });
  };
  return {
    async observeTools(gatewayId, sightings) {
      if (sightings.length === 0 || !(await read((sql) => isNews(sql, gatewayId, sightings)))) return [];
      return write((sql) =>
        sql.query<PinChange>(OBSERVE, [
          gatewayId,
          sightings.map(({ name }) => name),
          sightings.map(({ digest }) => digest),
          sightings.map(({ definition }) => definition),
          sightings.map(({ flags }) => flags.join(",")),
          sightings.map(({ isTrusted }) => isTrusted),
        ]),
      );
    },
    async listPins({ gatewayId, isPending }) {
      const rows = await read((sql) =>
        sql.query<Row>(
          `${SELECT} where ($1::text is null or p.gateway_id = $1)
            and ($2::boolean is null or (p.pending_digest is not null) = $2) order by g.position, p.name`,
          [gatewayId ?? null, isPending ?? null],
        ),
      );
      return rows.map(detailOf);
    },
    async getPin(gatewayId, name) {
      const [row] = await read((sql) =>
        sql.query<Row>(`${SELECT} where p.gateway_id = $1 and p.name = $2`, [gatewayId, name]),
      );
      return row === undefined ? undefined : detailOf(row);
    },
    async decidePin(gatewayId, name, digest, by, approve) {
      const decide = approve
        ? `digest = pending_digest, definition = pending_definition, approved_at = now(), approved_by = $4,
            pending_digest = null, pending_definition = null, pending_since = null, rejected_digest = null, rejected_by = null`
        : "rejected_digest = pending_digest, rejected_by = $4";
      const rows = await write((sql) =>
        sql.query(
          `update tool_pin set ${decide} where gateway_id = $1 and name = $2 and pending_digest = $3 returning 1 as done`,
          [gatewayId, name, digest, by],
        ),
      );
      return rows.length === 1;
    },
    async setPinPolicy(gatewayId, policy) {
      await write((sql) =>
        policy === null
          ? sql.query("delete from gateway_pin_policy where gateway_id = $1", [gatewayId])
          : sql.query(
              `insert into gateway_pin_policy (gateway_id, policy) values ($1, $2)
               on conflict (gateway_id) do update set policy = excluded.policy`,
              [gatewayId, policy],
            ),
      );
    },
  };
}

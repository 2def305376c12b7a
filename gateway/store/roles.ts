/** Rows of roles and of who has them where. */
import { randomUUID } from "node:crypto";
import type { AccountsRunner, AssignmentRecord, RoleRecord } from "./account-types.ts";
import { isoColumn } from "./conditions.ts";

export type RoleInput = Pick<RoleRecord, "name" | "scope" | "description" | "permissions"> & {
  readonly createdBy: string;
};
export type RolePatch = Partial<Pick<RoleRecord, "name" | "description" | "permissions">>;
export type AssignmentInput = Pick<AssignmentRecord, "email" | "roleId" | "scopeId" | "grantedBy" | "expiresAt">;

export type RoleOperations = {
  listRoles(): Promise<readonly RoleRecord[]>;
  getRole(id: string): Promise<RoleRecord | undefined>;
  /** Rejects with MCPS_ITEM_CONFLICT for a name that is taken. */
  createRole(input: RoleInput): Promise<RoleRecord>;
  /** Undefined: there is none, or it came with the program. */
  updateRole(id: string, patch: RolePatch): Promise<RoleRecord | undefined>;
  deleteRole(id: string): Promise<boolean>;
  /** Once more with another end is a change of the end. Undefined: no such user or role. */
  assignRole(input: AssignmentInput): Promise<AssignmentRecord | undefined>;
  assignmentsOf(email: string): Promise<readonly AssignmentRecord[]>;
  /** `scopeId` null: wherever he has it. */
  unassignRole(email: string, roleId: string, scopeId: string | null): Promise<boolean>;
};

const ROLE = `id, name, scope, description, permissions, built_in as "builtIn", ${isoColumn("created_at", "createdAt")},
  ${isoColumn("updated_at", "updatedAt")}`;
const ASSIGNMENT = `a.id, a.email, a.role_id as "roleId", r.name as "roleName", r.scope, nullif(a.scope_id, '') as "scopeId",
  a.granted_by as "grantedBy", ${isoColumn("a.granted_at", "grantedAt")}, ${isoColumn("a.expires_at", "expiresAt")}`;

export function roleOperations({ read, change }: AccountsRunner): RoleOperations {
  return {
    listRoles: () => read((sql) => sql.query<RoleRecord>(`select ${ROLE} from role order by position`)),
    getRole: (id) =>
      read(async (sql) => (await sql.query<RoleRecord>(`select ${ROLE} from role where id = $1`, [id]))[0]),
    createRole: (input) =>
      change(async (sql) => {
        const [row] = await sql.query<RoleRecord>(
          `insert into role (id, name, scope, description, permissions, created_by) values ($1, $2, $3, $4, $5, $6) returning ${ROLE}`,
          [randomUUID(), input.name, input.scope, input.description, input.permissions, input.createdBy],
        );
        if (row === undefined) throw new Error("an insert answered no row");
        return row;
      }),
    updateRole: (id, { name, description, permissions }) =>
      change(async (sql) => {
        const rows = await sql.query<RoleRecord>(
          `update role set name = coalesce($2, name), description = coalesce($3, description),
             permissions = coalesce($4::text[], permissions), updated_at = now() where id = $1 and not built_in returning ${ROLE}`,
          [id, name ?? null, description ?? null, permissions ?? null],
        );
        return rows[0];
      }),
    deleteRole: (id) =>
      change(
        async (sql) =>
          (await sql.query("delete from role where id = $1 and not built_in returning id", [id])).length === 1,
      ),
    assignRole: (input) =>
      change(async (sql) => {
        const rows = await sql.query<AssignmentRecord>(
          `with given as (
             insert into role_assignment (id, email, role_id, scope_id, granted_by, expires_at)
             select $1, u.email, r.id, $4, $5, $6::timestamptz from account u, role r where u.email = $2 and r.id = $3
             on conflict (email, role_id, scope_id) do update
               set granted_by = excluded.granted_by, granted_at = now(), expires_at = excluded.expires_at
             returning *)
           select ${ASSIGNMENT} from given a join role r on r.id = a.role_id`,
          [randomUUID(), input.email, input.roleId, input.scopeId ?? "", input.grantedBy, input.expiresAt],
        );
        return rows[0];
      }),
    assignmentsOf: (email) =>
      read((sql) =>
        sql.query<AssignmentRecord>(
          `select ${ASSIGNMENT} from role_assignment a join role r on r.id = a.role_id
           where a.email = $1 and (a.expires_at is null or a.expires_at > now()) order by a.granted_at, a.id`,
          [email],
        ),
      ),
    unassignRole: (email, roleId, scopeId) =>
      change(async (sql) => {
        const rows = await sql.query(
          "delete from role_assignment where email = $1 and role_id = $2 and ($3::text is null or scope_id = $3) returning id",
          [email, roleId, scopeId],
        );
        return rows.length > 0;
      }),
  };
}

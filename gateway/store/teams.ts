/** Rows of teams, their members, and those on their way in. */
import { randomUUID } from "node:crypto";
import type {
  AccountsRunner,
  InvitationRecord,
  JoinRequestRecord,
  MemberRecord,
  TeamInput,
  TeamPatch,
  TeamRecord,
  TeamRole,
} from "./account-types.ts";
import { isoColumn, pageLimit, pageOf } from "./conditions.ts";
import type { ListQuery, Page, Sql } from "./types.ts";

/** The team that a new user is alone in; `role` is what its owner gets there, by name. */
export type PersonalTeam = { readonly name: string; readonly slug: string };
export type TeamBounds = { readonly perUser: number; readonly perTeam: number };
/** `user-full`: in as many teams as one may be; `team-full`: with as many members as a team may have. */
export type Joined = "joined" | "user-full" | "team-full" | "unknown-user";

export type TeamOperations = {
  /** Those of a member, all (`undefined`), or public ones. */
  listTeams(
    query: Pick<ListQuery, "limit" | "after">,
    of: { member?: string; publicOnly?: boolean },
  ): Promise<Page<TeamRecord>>;
  getTeam(id: string): Promise<TeamRecord | undefined>;
  /** With its first owner. Rejects with MCPS_ITEM_CONFLICT for a slug that is taken. */
  createTeam(input: TeamInput): Promise<TeamRecord>;
  updateTeam(id: string, patch: TeamPatch): Promise<TeamRecord | undefined>;
  /** What belonged to it stays with its owners, private. */
  deleteTeam(id: string): Promise<boolean>;
  teamRoleOf(id: string, email: string): Promise<TeamRole | undefined>;
  listMembers(id: string): Promise<readonly MemberRecord[]>;
  /** A member that is there keeps his place and gets the role. */
  putMember(id: string, email: string, role: TeamRole, bounds: TeamBounds): Promise<Joined>;
  /** `last-owner`: a team is never left without one. */
  setMemberRole(id: string, email: string, role: TeamRole): Promise<"done" | "last-owner" | "unknown">;
  removeMember(id: string, email: string): Promise<"done" | "last-owner" | "unknown">;
  invite(invitation: Omit<InvitationRecord, "id" | "createdAt">, tokenHash: string): Promise<InvitationRecord>;
  listInvitations(teamId: string): Promise<readonly InvitationRecord[]>;
  getInvitation(id: string): Promise<InvitationRecord | undefined>;
  /** Live ones only. */
  findInvitation(tokenHash: string): Promise<InvitationRecord | undefined>;
  deleteInvitation(id: string): Promise<boolean>;
  askToJoin(teamId: string, email: string, message: string): Promise<JoinRequestRecord>;
  listJoinRequests(teamId: string): Promise<readonly JoinRequestRecord[]>;
  /** Answers the one that is gone now. */
  takeJoinRequest(teamId: string, id: string): Promise<JoinRequestRecord | undefined>;
};

const COLUMNS = `t.id, t.name, t.slug, t.description, t.personal, t.visibility, t.max_members as "maxMembers",
  t.created_by as "createdBy", (select count(*)::integer from team_member m where m.team_id = t.id) as members,
  ${isoColumn("t.created_at", "createdAt")}, ${isoColumn("t.updated_at", "updatedAt")}`;
const INVITATION = `id, team_id as "teamId", email, role, invited_by as "invitedBy", ${isoColumn("expires_at", "expiresAt")},
  ${isoColumn("created_at", "createdAt")}`;
const REQUEST = `id, team_id as "teamId", email, message, ${isoColumn("created_at", "createdAt")}`;

async function one(sql: Sql, id: string): Promise<TeamRecord | undefined> {
  return (await sql.query<TeamRecord>(`select ${COLUMNS} from team t where t.id = $1`, [id]))[0];
}

async function insertTeam(sql: Sql, input: TeamInput): Promise<string> {
  const id = randomUUID();
  await sql.query(
    `insert into team (id, name, slug, description, personal, visibility, max_members, created_by)
     values ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      id,
      input.name,
      input.slug,
      input.description,
      input.personal,
      input.visibility,
      input.maxMembers,
      input.createdBy,
    ],
  );
  await sql.query("insert into team_member (team_id, email, role) values ($1, $2, 'owner')", [id, input.createdBy]);
  return id;
}

/** Nothing when the user has one. */
export async function ensurePersonalTeam(sql: Sql, email: string, { name, slug }: PersonalTeam): Promise<void> {
  const known = await sql.query("select 1 from team where personal and created_by = $1", [email]);
  if (known.length > 0) return;
  // Two emails may make the same slug.
  const taken = await sql.query("select 1 from team where slug = $1", [slug]);
  const free = taken.length === 0 ? slug : `${slug}-${randomUUID().slice(0, 8)}`;
  const description = "What belongs to one user";
  const rest = { description, personal: true, visibility: "private", maxMembers: 1, createdBy: email } as const;
  await insertTeam(sql, { name, slug: free, ...rest });
}

export function teamOperations({ read, change, note }: AccountsRunner): TeamOperations {
  return {
    listTeams: (query, { member, publicOnly = false }) =>
      read(async (sql) => {
        const rows = await sql.query<TeamRecord & { position: string }>(
          `select t.position, ${COLUMNS} from team t where t.position > $1::bigint
             and ($2::text is null or exists (select 1 from team_member m where m.team_id = t.id and m.email = $2))
             and (not $3::boolean or t.visibility = 'public') order by t.position ${pageLimit(query)}`,
          [query.after, member ?? null, publicOnly],
        );
        return pageOf(rows, query, ({ position: _, ...record }): TeamRecord => record);
      }),
    getTeam: (id) => read((sql) => one(sql, id)),
    createTeam: (input) =>
      change(async (sql) => {
        const created = await one(sql, await insertTeam(sql, input));
        if (created === undefined) throw new Error("a team that was made is not there");
        return created;
      }),
    updateTeam: (id, patch) =>
      change(async (sql) => {
        const former = await one(sql, id);
        if (former === undefined) return undefined;
        const next = { ...former, ...patch };
        await sql.query(
          "update team set name = $2, description = $3, visibility = $4, max_members = $5, updated_at = now() where id = $1",
          [id, next.name, next.description, next.visibility, next.maxMembers],
        );
        return await one(sql, id);
      }),
    deleteTeam: (id) =>
      change(async (sql) => {
        await sql.query("update catalogue set version = version + 1");
        for (const table of ["gateway", "item", "virtual_server"])
          await sql.query(
            `update ${table} set team_id = null, updated_at = now(),
               visibility = case when visibility = 'team' then 'private' else visibility end where team_id = $1`,
            [id],
          );
        await sql.query("delete from role_assignment where scope_id = $1", [id]);
        return (await sql.query("delete from team where id = $1 returning id", [id])).length === 1;
      }),
    teamRoleOf: (id, email) =>
      read(async (sql) => {
        const text = "select role from team_member where team_id = $1 and email = $2";
        return (await sql.query<{ role: TeamRole }>(text, [id, email]))[0]?.role;
      }),
    ...memberOperations(read, change),
    ...arrivalOperations(read, note),
  };
}

type Members = Pick<TeamOperations, "listMembers" | "putMember" | "setMemberRole" | "removeMember">;

/** Locks the owners, so that two of them cannot leave at once. */
async function standingOf(sql: Sql, id: string, email: string): Promise<"unknown" | "last-owner" | "member"> {
  const rows = await sql.query<{ email: string; role: TeamRole }>(
    "select email, role from team_member where team_id = $1 and (role = 'owner' or email = $2) order by email for update",
    [id, email],
  );
  const own = rows.find((row) => row.email === email);
  if (own === undefined) return "unknown";
  return own.role === "owner" && rows.filter(({ role }) => role === "owner").length === 1 ? "last-owner" : "member";
}

function memberOperations(read: AccountsRunner["read"], change: AccountsRunner["change"]): Members {
  return {
    listMembers: (id) =>
      read((sql) =>
        sql.query<MemberRecord>(
          `select email, role, ${isoColumn("joined_at", "joinedAt")} from team_member where team_id = $1 order by joined_at, email`,
          [id],
        ),
      ),
    putMember: (id, email, role, { perUser, perTeam }) =>
      change(async (sql): Promise<Joined> => {
        // The team's row is what joins of one team wait for: counting and inserting are one step.
        const [team] = await sql.query<{ most: number }>(
          "select least(coalesce(max_members, $2::integer), $2::integer) as most from team where id = $1 for update",
          [id, perTeam],
        );
        const [user] = await sql.query<{ teams: number; inside: boolean; members: number }>(
          `select (select count(*)::integer from team_member where email = $1) as teams,
             exists (select 1 from team_member where email = $1 and team_id = $2) as inside,
             (select count(*)::integer from team_member where team_id = $2) as members
           from account where email = $1 for update`,
          [email, id],
        );
        if (user === undefined || team === undefined) return "unknown-user";
        if (!user.inside && user.teams >= perUser) return "user-full";
        if (!user.inside && user.members >= team.most) return "team-full";
        await sql.query(
          "insert into team_member (team_id, email, role) values ($1, $2, $3) on conflict (team_id, email) do update set role = excluded.role",
          [id, email, role],
        );
        await sql.query("delete from team_join_request where team_id = $1 and email = $2", [id, email]);
        await sql.query("delete from team_invitation where team_id = $1 and email = $2", [id, email]);
        return "joined";
      }),
    setMemberRole: (id, email, role) =>
      change(async (sql) => {
        const standing = await standingOf(sql, id, email);
        if (standing === "unknown" || (standing === "last-owner" && role !== "owner")) return standing;
        await sql.query("update team_member set role = $3 where team_id = $1 and email = $2", [id, email, role]);
        return "done";
      }),
    removeMember: (id, email) =>
      change(async (sql) => {
        const standing = await standingOf(sql, id, email);
        if (standing !== "member") return standing;
        await sql.query("delete from team_member where team_id = $1 and email = $2", [id, email]);
        await sql.query("delete from role_assignment where scope_id = $1 and email = $2", [id, email]);
        await sql.query(
          "update api_token set revoked_at = now(), revoked_why = 'left the team' where team_id = $1 and email = $2 and revoked_at is null",
          [id, email],
        );
        return "done";
      }),
  };
}

type Arrivals = Omit<
  TeamOperations,
  keyof Members | "listTeams" | "getTeam" | "createTeam" | "updateTeam" | "deleteTeam" | "teamRoleOf"
>;

function arrivalOperations(read: AccountsRunner["read"], note: AccountsRunner["note"]): Arrivals {
  const invitations = (where: string, values: readonly unknown[]) =>
    read((sql) =>
      sql.query<InvitationRecord>(
        `select ${INVITATION} from team_invitation where ${where} order by created_at`,
        values,
      ),
    );
  return {
    invite: ({ teamId, email, role, invitedBy, expiresAt }, tokenHash) =>
      note(async (sql) => {
        // A second invitation takes the place of the first.
        const [row] = await sql.query<InvitationRecord>(
          `insert into team_invitation (id, team_id, email, role, token_hash, invited_by, expires_at) values ($1, $2, $3, $4, $5, $6, $7)
           on conflict (team_id, email) do update set id = excluded.id, role = excluded.role, token_hash = excluded.token_hash,
             invited_by = excluded.invited_by, expires_at = excluded.expires_at, created_at = now() returning ${INVITATION}`,
          [randomUUID(), teamId, email, role, tokenHash, invitedBy, expiresAt],
        );
        if (row === undefined) throw new Error("an insert answered no row");
        return row;
      }),
    listInvitations: (teamId) => invitations("team_id = $1 and expires_at > now()", [teamId]),
    getInvitation: async (id) => (await invitations("id = $1", [id]))[0],
    findInvitation: async (hash) => (await invitations("token_hash = $1 and expires_at > now()", [hash]))[0],
    deleteInvitation: (id) =>
      note(
        async (sql) => (await sql.query("delete from team_invitation where id = $1 returning id", [id])).length === 1,
      ),
    askToJoin: (teamId, email, message) =>
      note(async (sql) => {
        const [row] = await sql.query<JoinRequestRecord>(
          `insert into team_join_request (id, team_id, email, message) values ($1, $2, $3, $4)
           on conflict (team_id, email) do update set message = excluded.message returning ${REQUEST}`,
          [randomUUID(), teamId, email, message],
        );
        if (row === undefined) throw new Error("an insert answered no row");
        return row;
      }),
    listJoinRequests: (teamId) =>
      read((sql) =>
        sql.query<JoinRequestRecord>(
          `select ${REQUEST} from team_join_request where team_id = $1 order by created_at`,
          [teamId],
        ),
      ),
    takeJoinRequest: (teamId, id) =>
      note(async (sql) => {
        const text = `delete from team_join_request where team_id = $1 and id = $2 returning ${REQUEST}`;
        return (await sql.query<JoinRequestRecord>(text, [teamId, id]))[0];
      }),
  };
}

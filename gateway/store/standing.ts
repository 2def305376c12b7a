/** What the directory asks: a caller's standing at once, whether a token was revoked, and whether anything changed. */
import type { AccountsRunner, StandingRecord, TeamRole } from "./account-types.ts";

export type RevocationInput = {
  readonly jti: string;
  readonly email: string | null;
  readonly revokedBy: string;
  readonly reason: string;
  /** When the token ends by itself; null: never. */
  readonly expiresAt: string | null;
};

export type StandingOperations = {
  /** Of a user; undefined: the deployment does not know him. One statement. */
  standingOf(email: string): Promise<StandingRecord | undefined>;
  isRevoked(jti: string): Promise<boolean>;
  /** Once is enough; what ended by itself long ago is forgotten by the way. */
  revokeJti(input: RevocationInput): Promise<void>;
  identityVersion(): Promise<number>;
};

type Row = {
  active: boolean;
  admin: boolean;
  not_before: string | null;
  teams: { id: string; role: TeamRole }[];
  roles: {
    scope: "global" | "team" | "personal";
    scopeId: string;
    permissions: string[];
    expiresAt: number | null;
  }[];
};

const STANDING = `
select active, admin, (extract(epoch from not_before) * 1000)::bigint as not_before,
  coalesce((select jsonb_agg(jsonb_build_object('id', m.team_id, 'role', m.role) order by m.team_id)
    from team_member m where m.email = u.email), '[]') as teams,
  coalesce((select jsonb_agg(jsonb_build_object('scope', r.scope, 'scopeId', a.scope_id, 'permissions', to_jsonb(r.permissions),
      'expiresAt', (extract(epoch from a.expires_at) * 1000)::bigint) order by a.id)
    from role_assignment a join role r on r.id = a.role_id
    where a.email = u.email and (a.expires_at is null or a.expires_at > now())), '[]') as roles
from account u where u.email = $1`;

export function standingOperations({ read, change }: AccountsRunner): StandingOperations {
  return {
    standingOf: (email) =>
      read(async (sql) => {
        const [row] = await sql.query<Row>(STANDING, [email]);
        if (row === undefined) return undefined;
        const { active, admin, teams, roles, not_before: notBefore } = row;
        return { active, admin, teams, roles, notBefore: notBefore === null ? null : Number(notBefore) };
      }),
    isRevoked: (jti) =>
      read(async (sql) => (await sql.query("select 1 from revoked_token where jti = $1", [jti])).length === 1),
    revokeJti: ({ jti, email, revokedBy, reason, expiresAt }) =>
      change(async (sql) => {
        await sql.query("delete from revoked_token where expires_at < now() - interval '1 day'");
        await sql.query(
          `insert into revoked_token (jti, email, revoked_by, reason, expires_at) values ($1, $2, $3, $4, $5)
           on conflict (jti) do nothing`,
          [jti, email, revokedBy, reason, expiresAt],
        );
      }),
    identityVersion: () =>
      read(async (sql) => {
        const [row] = await sql.query<{ version: string }>("select version from identity_version");
        return Number(row?.version ?? 0);
      }),
  };
}

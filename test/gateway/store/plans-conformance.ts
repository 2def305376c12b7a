/** Which indexes statements on callers, pins, quotas, REST tools and tokens of upstreams use, on full tables of whatever database. */
import { randomUUID } from "node:crypto";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSealer } from "../../../gateway/sessions/index.ts";
import { openStore, type Store } from "../../../gateway/store/index.ts";
import { silentLog } from "../coordination/log.ts";
import { gatewayInput, keyOf } from "./conformance.ts";
import { bigTables, captured, keysWithoutIndex, waysOf } from "./plans.ts";

/** Thousands of each, so that nobody reads a table from one end to the other because it is small. */
const FILL = `
insert into account (email, admin, active) select 'u' || n, n % 1000 = 0, true from generate_series(1, 2000) n;
insert into team (id, name, slug, personal, visibility, created_by)
select 't' || n, 't' || n, 't' || n, n % 2 = 0, 'private', 'u' || n from generate_series(1, 2000) n;
insert into team_member (team_id, email, role) select 't' || n, 'u' || n, 'owner' from generate_series(1, 2000) n;
insert into team_member (team_id, email, role) select 't' || n, 'u' || n + 1, 'member' from generate_series(1, 1999) n;
insert into team_invitation (id, team_id, email, role, token_hash, invited_by, expires_at)
select 'i' || n, 't' || n, 'u' || n + 2, 'member', 'h' || n, 'u' || n, now() + interval '1 day' from generate_series(1, 1900) n;
insert into team_join_request (id, team_id, email) select 'j' || n, 't' || n, 'u' || n + 3 from generate_series(1, 1900) n;
insert into role (id, name, scope, permissions) select 'r' || n, 'r' || n, 'global', '{tools.read}' from generate_series(1, 2000) n;
insert into role_assignment (id, email, role_id, scope_id, granted_by)
select 'a' || n, 'u' || n, 'r' || (1 + n % 2000), 't' || n, 'u1' from generate_series(1, 2000) n;
insert into api_token (id, hash, name, email, team_id) select 'k' || n, 'h' || n, 'k' || n, 'u' || (1 + n % 1000),
  case when n % 4 = 0 then 't' || (1 + n % 1000) end from generate_series(1, 2000) n;
insert into api_token_use (token_id, hour, requests)
select 'k' || n, date_trunc('hour', now()) - m * interval '1 hour', 1 from generate_series(1, 2000) n, generate_series(1, 5) m;
insert into revoked_token (jti, revoked_by, expires_at) select 'v' || n, 'u1', now() + interval '1 day' from generate_series(1, 2000) n;
insert into login_failure (address, failures, last_at) select 'f' || n, 1, now() from generate_series(1, 2000) n;
insert into gateway (id, slug, name, description, transport, url, args, isolation, era, auth_type, passthrough_headers, tags, visibility,
  enabled, reachable, source, revision, sealed)
select 'x' || n, 'x' || n, 'x' || n, '', 'REST', 'http://127.0.0.1:1/', '{}', 'shared', 'auto', 'none', '{}', '{}', 'public', true, true, 'api',
  'r', 'k.' || n from generate_series(1, 2000) n;
insert into item (id, gateway_id, kind, original_name, name_digest, definition, visibility)
select 'y' || n, 'x' || (1 + n % 2000), 'tool', 'y' || n, encode(sha256(('y' || n)::bytea), 'hex'), '{}', 'public' from generate_series(1, 4000) n;
insert into rest_operation (item_id, operation) select 'y' || n, '{}' from generate_series(1, 4000) n;
insert into rest_import (gateway_id, options, digest, title, version) select 'x' || n, '{}', '', '', '' from generate_series(1, 2000) n;
insert into hosted_body (item_id, body, encoding) select 'y' || n, '', 'text' from generate_series(1, 2000) n;
insert into upstream_token (gateway_id, principal_id, sealed, version) select 'x' || n, 'u' || n % 20, 'k.' || n, 1 from generate_series(1, 2000) n;
insert into upstream_client (gateway_id, issuer, client_id, redirect_uri, sealed)
select 'x' || n, '', '', '', 'k.' || n from generate_series(1, 2000) n;
insert into quota_use (key, period_start, used, granted) select 'q' || n, now(), 1, 1 from generate_series(1, 2000) n;
insert into tool_pin (gateway_id, name, digest, pending_digest) select 'x' || n, 'p' || m, 'd', case when n % 500 = 0 then 'e' end
from generate_series(1, 2000) n, generate_series(1, 3) m;
insert into gateway_pin_policy (gateway_id, policy) select 'x' || n, 'flag' from generate_series(1, 2000) n`;

/** `uses`: indexes without which it would read too much, one of several where they are as good; none for what only adds a row. */
type Asked = { readonly run: () => Promise<unknown>; readonly uses: readonly string[] };

/** Reading all of it is what these are for. */
const WHOLE: ReadonlySet<string> = new Set([
  // All of them, for people who administer; there are few.
  "listRoles",
  // What belonged to the team, wherever it is: rare, and nobody waits for it but who did it.
  "deleteTeam",
  // Once at the start: what older keys have sealed.
  "resealCredentials",
]);

/** By the operation's name and, where it is asked in more than one way, which. */
export function callerOperations(store: Store): Readonly<Record<string, Asked>> {
  return { ...accounts(store), ...teams(store), ...rolesAndTokens(store), ...protection(store), ...upstreams(store) };
}

const asked = (run: () => Promise<unknown>, ...uses: string[]): Asked => ({ run, uses });
const page = { limit: 20, after: 100, includeInactive: false } as const;
const planned = (): string => `planned-${randomUUID()}`;

function accounts(store: Store): Record<string, Asked> {
  const lockout = { limit: 3, baseSeconds: 1, maxSeconds: 10 };
  const rest = { fullName: "", passwordHash: null, mustChangePassword: false, active: true, admin: false } as const;
  const input = { email: planned(), source: "local", ...rest } as const;
  return {
    listAccounts: asked(() => store.listAccounts(page), "account_position_key"),
    getAccount: asked(() => store.getAccount("u5"), "account_pkey"),
    createAccount: asked(
      () => store.createAccount(input, { name: "p", slug: planned() }),
      "team_personal",
      "team_slug_key",
    ),
    updateAccount: asked(() => store.updateAccount("u1000", { active: false }), "account_admin", "account_pkey"),
    deleteAccount: asked(
      () => store.deleteAccount("u6"),
      "account_admin",
      "account_pkey",
      "team_member_email",
      "upstream_token_principal",
    ),
    passwordOf: asked(() => store.passwordOf("u5"), "account_pkey"),
    setPassword: asked(() => store.setPassword("u5", "h", { mustChange: false, keep: 2 }), "account_pkey"),
    rehashPassword: asked(() => store.rehashPassword("u5", "h", "i"), "account_pkey"),
    endTokensOf: asked(() => store.endTokensOf("u5"), "account_pkey"),
    unlockAccount: asked(() => store.unlockAccount("u5"), "account_pkey"),
    loginSucceeded: asked(() => store.loginSucceeded("u5", "f5"), "account_pkey", "login_failure_pkey"),
    loginFailed: asked(() => store.loginFailed("u5", "f6", lockout, lockout), "account_pkey", "login_failure_last_at"),
    addressBlockedUntil: asked(() => store.addressBlockedUntil("f7"), "login_failure_pkey"),
    standingOf: asked(
      () => store.standingOf("u7"),
      "account_pkey",
      "team_member_email",
      "role_assignment_email_role_id_scope_id_key",
    ),
    isRevoked: asked(() => store.isRevoked("v5"), "revoked_token_pkey"),
    revokeJti: asked(
      () => store.revokeJti({ jti: planned(), email: null, revokedBy: "u1", reason: "", expiresAt: null }),
      "revoked_token_expires_at",
    ),
    identityVersion: asked(() => store.identityVersion()),
  };
}

function teams(store: Store): Record<string, Asked> {
  const slug = planned();
  const input = { name: slug, slug, description: "", personal: false, visibility: "private", createdBy: "u9" } as const;
  const bounds = { perUser: 50, perTeam: 50 };
  const invitation = { teamId: "t9", email: "u100", role: "member", invitedBy: "u9", expiresAt: "2100-01-01" } as const;
  return {
    listTeams: asked(() => store.listTeams(page, {}), "team_position_key"),
    "listTeams of a member": asked(() => store.listTeams({ ...page, after: 0 }, { member: "u9" }), "team_member_email"),
    getTeam: asked(() => store.getTeam("t9"), "team_pkey", "team_member_pkey"),
    createTeam: asked(() => store.createTeam({ ...input, maxMembers: null }), "team_pkey"),
    updateTeam: asked(() => store.updateTeam("t9", { description: "d" }), "team_pkey"),
    deleteTeam: asked(() => store.deleteTeam("t1999"), "team_pkey"),
    teamRoleOf: asked(() => store.teamRoleOf("t9", "u9"), "team_member_pkey"),
    listMembers: asked(() => store.listMembers("t9"), "team_member_pkey"),
    putMember: asked(() => store.putMember("t9", "u50", "member", bounds), "team_pkey", "account_pkey"),
    setMemberRole: asked(() => store.setMemberRole("t9", "u10", "member"), "team_member_pkey"),
    removeMember: asked(() => store.removeMember("t9", "u10"), "team_member_pkey"),
    invite: asked(() => store.invite(invitation, planned())),
    listInvitations: asked(() => store.listInvitations("t9"), "team_invitation_team_id_email_key"),
    getInvitation: asked(() => store.getInvitation("i9"), "team_invitation_pkey"),
    findInvitation: asked(() => store.findInvitation("h9"), "team_invitation_token_hash_key"),
    deleteInvitation: asked(() => store.deleteInvitation("i10"), "team_invitation_pkey"),
    askToJoin: asked(() => store.askToJoin("t9", "u60", "")),
    listJoinRequests: asked(() => store.listJoinRequests("t9"), "team_join_request_team_id_email_key"),
    takeJoinRequest: asked(
      () => store.takeJoinRequest("t10", "j10"),
      "team_join_request_pkey|team_join_request_team_id_email_key",
    ),
  };
}

function rolesAndTokens(store: Store): Record<string, Asked> {
  const role = {
    name: planned(),
    scope: "global",
    description: "",
    permissions: ["tools.read"],
    createdBy: "u1",
  } as const;
  const assignment = { email: "u11", roleId: "r11", scopeId: null, grantedBy: "u1", expiresAt: null } as const;
  const none = {
    description: "",
    teamId: null,
    serverId: null,
    permissions: null,
    addresses: [],
    hours: null,
  } as const;
  const token = { ...none, limits: null, tags: [], expiresAt: null, email: "u11", name: planned() };
  const assigned = "role_assignment_email_role_id_scope_id_key";
  return {
    listRoles: asked(() => store.listRoles()),
    getRole: asked(() => store.getRole("r5"), "role_pkey"),
    createRole: asked(() => store.createRole(role)),
    updateRole: asked(() => store.updateRole("r5", { description: "d" }), "role_pkey"),
    deleteRole: asked(() => store.deleteRole("r6"), "role_pkey"),
    assignRole: asked(() => store.assignRole(assignment), "account_pkey", "role_pkey"),
    assignmentsOf: asked(() => store.assignmentsOf("u11"), assigned),
    unassignRole: asked(() => store.unassignRole("u11", "r11", null), `${assigned}|role_assignment_role`),
    "listTokens of all": asked(() => store.listTokens(page), "api_token_position_key"),
    listTokens: asked(() => store.listTokens({ ...page, after: 0, email: "u12" }), "api_token_name|api_token_email"),
    "listTokens, ended ones too": asked(
      () => store.listTokens({ ...page, after: 0, includeInactive: true, email: "u12" }),
      "api_token_email",
    ),
    "listTokens of a team": asked(() => store.listTokens({ ...page, after: 0, teamId: "t13" }), "api_token_team"),
    getToken: asked(() => store.getToken("k5"), "api_token_pkey"),
    createToken: asked(() => store.createToken(token, planned())),
    updateToken: asked(() => store.updateToken("k5", { description: "d" }), "api_token_pkey"),
    revokeToken: asked(() => store.revokeToken("k6", "u1", "over"), "api_token_pkey"),
    findToken: asked(() => store.findToken("h7"), "api_token_hash_key"),
    countUse: asked(() => store.countUse(new Map([["k7", 3]])), "api_token_pkey", "api_token_use_pkey"),
    usageOf: asked(() => store.usageOf("k7"), "api_token_use_pkey"),
    useByHour: asked(() => store.useByHour("k7"), "api_token_use_pkey"),
  };
}

function protection(store: Store): Record<string, Asked> {
  const sighting = { name: "p1", digest: "n", definition: "{}", flags: [], isTrusted: false };
  return {
    takeQuota: asked(() => store.takeQuota("q5", new Date(), 1, 10), "quota_use_period_start"),
    observeTools: asked(() => store.observeTools("x5", [sighting]), "tool_pin_pkey", "gateway_pkey"),
    "listPins of a gateway": asked(() => store.listPins({ gatewayId: "x5" }), "tool_pin_pkey"),
    listPins: asked(() => store.listPins({ isPending: true }), "tool_pin_pending"),
    getPin: asked(() => store.getPin("x5", "p1"), "tool_pin_pkey"),
    decidePin: asked(() => store.decidePin("x5", "p1", "n", "u1", true), "tool_pin_pkey"),
    setPinPolicy: asked(() => store.setPinPolicy("x6", "off")),
    "setPinPolicy of none": asked(() => store.setPinPolicy("x6", null), "gateway_pin_policy_pkey"),
  };
}

function upstreams(store: Store): Record<string, Asked> {
  const tool = { name: planned(), definition: "{}", operation: "{}", sourceKey: null };
  const input = gatewayInput(planned(), { transport: "REST" });
  const about = { id: planned(), capabilities: "{}", reachable: true };
  const client = { issuer: "i", clientId: "c", redirectUri: "r", value: "v" };
  const changes = { added: [], changed: [{ ...tool, id: "y7", name: planned() }], gone: ["y8"] };
  const entry = { originalName: `file:///${planned()}`, definition: "{}", body: "b", encoding: "text" } as const;
  const hosted: { id: string } = { id: "" };
  return {
    restTools: asked(() => store.restTools("x5"), "item_gateway_id_kind_name_digest_key", "rest_operation_pkey"),
    restOperation: asked(() => store.restOperation("y5"), "rest_operation_pkey"),
    createRestTool: asked(() => store.createRestTool("x5", tool, {}, "u"), "item_gateway_id_kind_name_digest_key"),
    updateRestTool: asked(
      () => store.updateRestTool("y6", { ...tool, name: planned() }, {}, "u"),
      "item_pkey",
      "rest_operation_pkey",
    ),
    createRestGateway: asked(() => store.createRestGateway(input, [tool], about), "gateway_pkey"),
    changeRestTools: asked(() => store.changeRestTools("x7", changes, "u"), "item_pkey", "gateway_pkey"),
    restImport: asked(() => store.restImport("x5"), "rest_import_pkey"),
    upstreamToken: asked(() => store.upstreamToken("x5", "u5"), "upstream_token_pkey"),
    putUpstreamToken: asked(() => store.putUpstreamToken("x6", "u6", "v", 1)),
    failUpstreamToken: asked(() => store.failUpstreamToken("x7", "u7", 1, "f"), "upstream_token_pkey"),
    deleteUpstreamToken: asked(() => store.deleteUpstreamToken("x8", "u8"), "upstream_token_pkey"),
    upstreamClient: asked(() => store.upstreamClient("x5"), "upstream_client_pkey"),
    putUpstreamClient: asked(() => store.putUpstreamClient("x6", client), "upstream_client_pkey"),
    deleteUpstreamClient: asked(() => store.deleteUpstreamClient("x7"), "upstream_client_pkey"),
    resealCredentials: asked(() => store.resealCredentials()),
    createHosted: asked(async () => {
      hosted.id = (await store.createHosted({ ...entry, kind: "resource" }, {})).id;
    }, "gateway_slug_key"),
    updateHosted: asked(() => store.updateHosted(hosted.id, entry, {}), "item_pkey", "hosted_body_pkey"),
    hostedBody: asked(() => store.hostedBody(hosted.id), "hosted_body_pkey"),
    findHosted: asked(() => store.findHosted("resource", entry.originalName), "item_gateway_id_kind_name_digest_key"),
    hostedTemplates: asked(() => store.hostedTemplates("file:///a"), "item_gateway_id_kind_name_digest_key"),
    listHosted: asked(() => store.listHosted("resource", 0)),
    "deleteItem of a hosted one": asked(() => store.deleteItem(hosted.id), "item_pkey"),
  };
}

const shown = (text: string) => text.replaceAll(/\s+/g, " ").trim().slice(0, 160);

/** What of the statements on callers reads a big table whole, and which indexes are missed. */
async function offencesOf(store: Store, client: pg.Client): Promise<readonly string[]> {
  const operations = callerOperations(store);
  const statements = await captured(client, async (as) => {
    for (const [name, { run }] of Object.entries(operations)) {
      as(name);
      await run();
    }
  });
  const big = await bigTables(client);
  const offences = new Set<string>();
  const used = new Map<string, Set<string>>();
  for (const { operation, text, values } of statements) {
    const { scanned, indexes } = await waysOf(client, text, values);
    const all = used.get(operation) ?? new Set();
    used.set(operation, all);
    for (const index of indexes) all.add(index);
    if (WHOLE.has(operation)) continue;
    for (const table of scanned) if (big.has(table)) offences.add(`${operation} reads all of ${table}: ${shown(text)}`);
  }
  for (const [name, { uses }] of Object.entries(operations)) {
    if (!used.has(name)) offences.add(`${name} sent nothing`);
    const own = used.get(name) ?? new Set();
    for (const index of uses)
      if (!index.split("|").some((one) => own.has(one)))
        offences.add(`${name} does not use ${index} but ${[...own].sort().join(", ")}`);
  }
  return [...offences];
}

/** Fills the database; nothing should come after it that counts what is there. */
export function describePlans(name: string, urlOf: () => Promise<string>): void {
  describe(`statements on full tables of ${name}`, () => {
    let client: pg.Client;
    let store: Store;
    beforeAll(async () => {
      const url = await urlOf();
      client = new pg.Client(url);
      await client.connect();
      for (const statement of FILL.split(";")) await client.query(statement);
      await client.query("analyze");
      const sealing = createSealer([keyOf("k")]);
      store = await openStore({ url, poolSize: 2, poolTimeoutMs: 10_000, log: silentLog, sealing });
    }, 60_000);
    afterAll(async () => {
      await store?.close();
      await client?.end();
    });

    it("use their indexes", { timeout: 60_000 }, async () => {
      expect((await waysOf(client, "select 1 from account where full_name = 'x'")).scanned).toEqual(["account"]);
      expect(await offencesOf(store, client)).toEqual([]);
    });

    it("are not needed to find what goes with another row: each foreign key has an index", async () => {
      expect(await keysWithoutIndex(client)).toEqual([]);
    });
  });
}

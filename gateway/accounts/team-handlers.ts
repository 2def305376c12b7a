/** REST of teams and their members. What a caller may not see is not there. */
import { randomBytes } from "node:crypto";
import { fault } from "../../contract/errors.ts";
import type { Permission } from "../../contract/permissions.ts";
import type { Principal } from "../../contract/principal.ts";
import { slugify } from "../mcp/index.ts";
import { invalid, listResponse, readBody, readListQuery } from "../registry/index.ts";
import type { Joined, TeamRecord, TeamRole } from "../store/index.ts";
import { hashOf } from "./api-token.ts";
import { emailOf, forbid, mayIn, requirePerson, unknown } from "./callers.ts";
import { showTeam } from "./present.ts";
import { joinCreate, memberCreate, memberPatch, teamCreate, teamPatch } from "./schemas.ts";
import type { AccountsParts, Call, Handlers } from "./types.ts";

const KIND = "team";
const DAY_MS = 86_400_000;

export function teamHandlers(parts: AccountsParts): Handlers {
  return { ...teamRoutes(parts), ...memberRoutes(parts), ...arrivalRoutes(parts) };
}

/** Finds teams as a caller may see them. */
function teamsFor({ store }: AccountsParts) {
  const seesAll = (principal: Principal) => mayIn(principal, "users.read", null);

  /** Those of members and of who oversees; public ones too, unless only insiders are meant. */
  async function seen({ params, principal }: Call, reach: "inside" | "public"): Promise<TeamRecord> {
    const id = params.id ?? "";
    const team = await store.getTeam(id);
    if (team === undefined) throw unknown(KIND, id);
    const isOpen = reach === "public" && team.visibility === "public";
    if (!isOpen && !seesAll(principal) && !principal.teams.includes(id)) throw unknown(KIND, id);
    return team;
  }

  /** One that the caller may change in this way. */
  async function changeable(call: Call, permission: Permission): Promise<TeamRecord> {
    const team = await seen(call, "inside");
    if (!mayIn(call.principal, permission, team.id)) throw forbid(call.principal, `${permission} in this team`);
    return team;
  }
  return { seen, changeable };
}

function teamRoutes(parts: AccountsParts): Handlers {
  const { store, directory, rules } = parts;
  const { seen, changeable } = teamsFor(parts);
  return {
    async "teams.list"({ request, principal }) {
      const input = readListQuery(request.query, "teams", KIND);
      const all = mayIn(principal, "users.read", null);
      const page = await store.listTeams(input.query, all ? {} : { member: emailOf(principal) });
      return listResponse("teams", page, input, showTeam);
    },
    async "teams.discover"({ request }) {
      const input = readListQuery(request.query, "teams/discover", KIND);
      return listResponse("teams", await store.listTeams(input.query, { publicOnly: true }), input, showTeam);
    },
    async "teams.get"(call) {
      return { status: 200, body: showTeam(await seen(call, "public")) };
    },
    async "teams.create"({ request, principal }) {
      const input = readBody(request, teamCreate, KIND);
      if (!rules.teamCreation && !principal.admin) throw forbid(principal, "create a team (ALLOW_TEAM_CREATION)");
      const email = emailOf(principal);
      if ((await store.getAccount(email)) === undefined) throw forbid(principal, "create a team: it is no user here");
      const mine = await store.listTeams({ limit: rules.teamsPerUser, after: 0 }, { member: email });
      if (mine.rows.length >= rules.teamsPerUser) throw tooMany(`${rules.teamsPerUser} teams (MAX_TEAMS_PER_USER)`);
      const slug = input.slug ?? slugify(input.name).slice(0, 63);
      const created = await store.createTeam({ ...input, slug, personal: false, createdBy: email });
      await directory.changed({ subject: email });
      return { status: 201, headers: { location: `/v1/teams/${created.id}` }, body: showTeam(created) };
    },
    async "teams.update"(call) {
      const { id } = await changeable(call, "teams.update");
      const given = Object.entries(readBody(call.request, teamPatch, KIND)).filter(([, value]) => value !== undefined);
      const updated = await store.updateTeam(id, Object.fromEntries(given));
      if (updated === undefined) throw unknown(KIND, id);
      return { status: 200, body: showTeam(updated) };
    },
    async "teams.delete"(call) {
      const { id, personal } = await changeable(call, "teams.delete");
      if (personal) throw invalid(KIND, [{ path: "personal", value: true, allowed: "it goes with its user" }]);
      await store.deleteTeam(id);
      await directory.changed({});
      await parts.catalogueChanged();
      return { status: 200, body: { status: "success", id } };
    },
  };
}

function memberRoutes(parts: AccountsParts): Handlers {
  const { store, directory } = parts;
  const { seen, changeable } = teamsFor(parts);

  async function left(teamId: string, email: string) {
    const outcome = await store.removeMember(teamId, email);
    if (outcome === "unknown") throw unknown("member", email);
    if (outcome === "last-owner") throw fault("MCPS_LAST", { what: "the team", whom: "an owner" });
    await directory.changed({ subject: email });
    return { status: 200, body: { status: "success", id: email } };
  }

  return {
    async "members.list"(call) {
      const { id } = await seen(call, "inside");
      return { status: 200, body: await store.listMembers(id) };
    },
    async "members.add"(call) {
      const team = await changeable(call, "teams.manage_members");
      const { email, role } = readBody(call.request, memberCreate, "member");
      return { status: 201, body: await join(parts, team, email, role) };
    },
    async "members.update"(call) {
      const { id } = await changeable(call, "teams.manage_members");
      const email = (call.params.email ?? "").toLowerCase();
      const { role } = readBody(call.request, memberPatch, "member");
      const outcome = await store.setMemberRole(id, email, role);
      if (outcome === "unknown") throw unknown("member", email);
      if (outcome === "last-owner") throw fault("MCPS_LAST", { what: "the team", whom: "an owner" });
      await directory.changed({ subject: email });
      return { status: 200, body: (await store.listMembers(id)).find((member) => member.email === email) };
    },
    async "members.remove"(call) {
      const { id } = await changeable(call, "teams.manage_members");
      return left(id, (call.params.email ?? "").toLowerCase());
    },
    async "teams.leave"(call) {
      requirePerson(call.principal, "leave a team");
      const { id, personal } = await seen(call, "inside");
      if (personal) throw invalid(KIND, [{ path: "personal", value: true, allowed: "it goes with its user" }]);
      return left(id, emailOf(call.principal));
    },
  };
}

function tooMany(limit: string) {
  return invalid(KIND, [{ path: "", allowed: `no more than ${limit}` }]);
}

/** A member of the team from now on; answers the membership. */
async function join({ store, directory, rules }: AccountsParts, team: TeamRecord, email: string, role: TeamRole) {
  const bounds = { perUser: rules.teamsPerUser, perTeam: rules.membersPerTeam };
  const outcome: Joined = await store.putMember(team.id, email, role, bounds);
  if (outcome === "unknown-user") throw invalid("member", [{ path: "email", value: email, allowed: "a user here" }]);
  if (outcome === "user-full") throw tooMany(`${rules.teamsPerUser} teams of one user (MAX_TEAMS_PER_USER)`);
  if (outcome === "team-full")
    throw tooMany(`${team.maxMembers ?? rules.membersPerTeam} members (MAX_MEMBERS_PER_TEAM)`);
  await directory.changed({ subject: email });
  return (await store.listMembers(team.id)).find((member) => member.email === email);
}

function arrivalRoutes(parts: AccountsParts): Handlers {
  const { store, rules, now } = parts;
  const { seen, changeable } = teamsFor(parts);
  return {
    async "invitations.create"(call) {
      const team = await changeable(call, "teams.manage_members");
      if (!rules.invitations) throw forbid(call.principal, "invite (ALLOW_TEAM_INVITATIONS)");
      const { email, role } = readBody(call.request, memberCreate, "invitation");
      const token = randomBytes(32).toString("base64url");
      const expiresAt = new Date(now() + rules.invitationDays * DAY_MS).toISOString();
      const invitation = { teamId: team.id, email, role, invitedBy: emailOf(call.principal), expiresAt };
      return { status: 201, body: { ...(await store.invite(invitation, hashOf(token))), token } };
    },
    async "invitations.list"(call) {
      const { id } = await changeable(call, "teams.manage_members");
      return { status: 200, body: await store.listInvitations(id) };
    },
    async "invitations.accept"({ params, principal }) {
      requirePerson(principal, "join a team");
      const invitation = await store.findInvitation(hashOf(params.token ?? ""));
      // Somebody else's invitation is as good as none.
      if (invitation?.email !== emailOf(principal)) throw unknown("invitation", "(as given)");
      const team = await store.getTeam(invitation.teamId);
      if (team === undefined) throw unknown(KIND, invitation.teamId);
      return { status: 200, body: await join(parts, team, invitation.email, invitation.role) };
    },
    async "invitations.cancel"(call) {
      const id = call.params.id ?? "";
      const invitation = await store.getInvitation(id);
      if (invitation === undefined || !mayIn(call.principal, "teams.manage_members", invitation.teamId))
        throw unknown("invitation", id);
      await store.deleteInvitation(id);
      return { status: 200, body: { status: "success", id } };
    },
    async "joins.ask"(call) {
      requirePerson(call.principal, "ask to join");
      const { id, visibility } = await seen(call, "public");
      if (!rules.joinRequests || visibility !== "public")
        throw forbid(call.principal, "ask to join this team (ALLOW_TEAM_JOIN_REQUESTS, public teams)");
      const email = emailOf(call.principal);
      if ((await store.getAccount(email)) === undefined) throw forbid(call.principal, "join: it is no user here");
      const { message } = readBody(call.request, joinCreate, "request");
      return { status: 201, body: await store.askToJoin(id, email, message) };
    },
    async "joins.list"(call) {
      const { id } = await changeable(call, "teams.manage_members");
      return { status: 200, body: await store.listJoinRequests(id) };
    },
    async "joins.approve"(call) {
      const team = await changeable(call, "teams.manage_members");
      const asked = await store.takeJoinRequest(team.id, call.params.request ?? "");
      if (asked === undefined) throw unknown("request", call.params.request ?? "");
      return { status: 200, body: await join(parts, team, asked.email, "member") };
    },
    async "joins.reject"(call) {
      const { id } = await changeable(call, "teams.manage_members");
      const asked = await store.takeJoinRequest(id, call.params.request ?? "");
      if (asked === undefined) throw unknown("request", call.params.request ?? "");
      return { status: 200, body: { status: "success", id: asked.id } };
    },
  };
}

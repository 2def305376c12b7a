/** What one team has in the world of the matrix, and how it would be seen that somebody else was shown or changed any of it. */
import { emailOf, type World } from "./world.ts";

/** What our things are called, but for those that are public. */
export const OURS =
  /\b(?:(?:team|private)-\d+|items-(?:team|private)|(?:viewer|developer|teamadmin)@example\.com|of ours)\b/;

/** What the matrix has no use for: pins, invitations, requests to join, figures. Answers our ids. */
export async function prepare({ store, teams, thing, tokens }: World): Promise<Record<string, string>> {
  const found: Record<string, string> = { team: teams.ours, personal: teams.personal };
  for (const kind of ["gateways", "servers", "tools", "resources", "prompts"] as const)
    for (const visibility of ["team", "private"] as const)
      found[`${kind} ${visibility}`] = thing(kind, visibility, "kept");
  const gatewayId = found["gateways team"] ?? "";
  const pinned = { name: "team-0", digest: "d1", definition: '{"name":"of ours"}', flags: [] };
  await store.observeTools(gatewayId, [{ ...pinned, isTrusted: true }]);
  await store.observeTools(gatewayId, [{ ...pinned, digest: "d2", isTrusted: false }]);
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const invitation = { teamId: teams.ours, email: "guest@example.com", role: "member", expiresAt } as const;
  found.invitation = (await store.invite({ ...invitation, invitedBy: emailOf("teamAdmin") }, "hash")).id;
  found.request = (await store.askToJoin(teams.ours, emailOf("platformViewer"), "of ours")).id;
  found.token = tokens["viewer reading"] ?? "";
  found["token of the team"] = tokens["developer team"] ?? "";
  const call = {
    kind: "tool",
    gatewayId,
    gatewaySlug: "team-0",
    name: "team-0",
    outcome: "ok",
    ms: 1,
    bucket: 0,
  } as const;
  const batch = { writer: "w", number: 1 };
  await store.records.writeCalls(batch, [{ ...call, at: Date.now(), serverId: found["servers team"] ?? "" }]);
  return found;
}

/** All that is ours and could be changed. */
export async function held({ store, teams }: World): Promise<unknown> {
  const people = [emailOf("viewer"), emailOf("developer"), emailOf("teamAdmin"), "owner@example.com"];
  const isOurs = (one: { readonly visibility: string }) => one.visibility !== "public";
  const { gateways, servers, items, ...pins } = await store.loadSnapshot();
  const page = { limit: 0, after: 0, includeInactive: true };
  return {
    // Without what checks find out meanwhile.
    gateways: gateways.filter(isOurs).map(({ lastError, lastSeen, lastRefreshAt, reachable, ...rest }) => rest),
    servers: servers.filter(isOurs),
    items: items.filter(isOurs),
    pins: [pins.pins, pins.pinPolicies, await store.listPins({})],
    teams: await Promise.all([teams.ours, teams.personal].map((id) => store.getTeam(id))),
    members: await Promise.all([teams.ours, teams.personal].map((id) => store.listMembers(id))),
    arrivals: [await store.listInvitations(teams.ours), await store.listJoinRequests(teams.ours)],
    people: await Promise.all(people.map((email) => store.standingOf(email))),
    tokens: await Promise.all(people.map((email) => store.listTokens({ ...page, email }))),
    roles: await Promise.all(people.map((email) => store.assignmentsOf(email))),
  };
}

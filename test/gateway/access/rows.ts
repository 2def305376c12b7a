/** The matrix: for every route what is asked and what each caller is answered, once the route's permission lets him in. */
import type { Caller } from "./callers.ts";
import { isAdmin, isMember, isWatcher, sees, uses } from "./callers.ts";
import { OWNER, type Thing, type Visibility, type World } from "./world.ts";

export type Question = {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly body?: unknown;
  /** With a login of its own, which it ends. */
  readonly fresh?: true;
};
export type Row = {
  /** Asked once for each visibility. */
  readonly of?: Thing;
  /** `wanted` is what will be answered: who is let do it does it to a thing that nobody else asks about. */
  ask(world: World, visibility: Visibility, wanted: string): Question;
  /** Status, and for 404 what is said to be missing; `upstream` where an upstream was asked and did not answer. */
  answer(caller: Caller, visibility: Visibility): string;
};

const always = (answer: string, question: Question = {}): Row => ({ ask: () => question, answer: () => answer });
/** People who logged in, and nobody's API token. */
const byPerson = (answer: string, question: Question = {}): Row => ({
  ask: () => question,
  answer: ({ scope }) => (scope === "whole" ? answer : "403"),
});
const NOBODY = { params: { email: "nobody@example.com" } };
const OWNERS = { params: { email: OWNER } };
const BOGUS = "00000000-0000-4000-8000-000000000000";

function read(of: Thing, noun: string, answer = "200"): Row {
  return {
    of,
    ask: (world, visibility) => ({ params: { id: world.thing(of, visibility, "kept") } }),
    answer: (caller, visibility) => (sees(caller, visibility) ? answer : `404 ${noun}`),
  };
}

/** Who may change ours is in the team, or an administrator; who is let in by another team's role sees that it is not his. */
function change(of: Thing, noun: string, body: unknown, use: "kept" | "spare" = "kept", answer = "200"): Row {
  return {
    of,
    ask: (world, visibility, wanted) => ({
      params: { id: world.thing(of, visibility, wanted === answer ? use : "kept") },
      body,
    }),
    answer(caller, visibility) {
      if (!sees(caller, visibility)) return `404 ${noun}`;
      return isAdmin(caller) || isMember(caller) ? answer : "403";
    },
  };
}

/** Made where it exists already, so that nothing is: 409 for who may make it in our team, 422 for who may not put it there. */
function create(body: (world: World) => unknown): Row {
  return {
    ask: (world) => ({ body: body(world) }),
    answer: (caller) => (isAdmin(caller) || isMember(caller) ? "409" : "422"),
  };
}

function things(of: Thing, noun: string, create: Row): Record<string, Row> {
  return {
    [`${of}.list`]: always("200"),
    [`${of}.create`]: create,
    [`${of}.get`]: read(of, noun),
    [`${of}.update`]: change(of, noun, {}),
    [`${of}.patch`]: change(of, noun, {}),
    [`${of}.state`]: change(of, noun, undefined),
    [`${of}.toggle`]: change(of, noun, undefined),
    [`${of}.delete`]: change(of, noun, undefined, "spare"),
  };
}

/** Of an upstream without any. */
const pin = (row: Row): Row => ({
  ...row,
  ask(world, visibility, wanted) {
    const { params, ...rest } = row.ask(world, visibility, wanted);
    return { ...rest, params: { ...params, name: "nothing" } };
  },
});

const registry: Readonly<Record<string, Row>> = {
  ...things(
    "gateways",
    "gateway",
    create(({ teams }) => ({ name: "n", slug: "items-public", url: "http://93.184.216.34/mcp", teamId: teams.ours })),
  ),
  ...things(
    "servers",
    "server",
    create(({ teams }) => ({ name: "public-0", teamId: teams.ours })),
  ),
  ...things("tools", "tool", always("422", { body: {} })),
  ...things(
    "resources",
    "resource",
    create(({ teams }) => ({ name: "taken", uri: "file:///taken", content: "", teamId: teams.ours })),
  ),
  ...things(
    "prompts",
    "prompt",
    create(({ teams }) => ({ name: "taken", template: "t", teamId: teams.ours })),
  ),
  // Nobody answers behind it.
  "gateways.refresh": change("gateways", "gateway", undefined, "kept", "upstream"),
  "gateways.openapiPreview": always("422", { body: {} }),
  "gateways.openapiCreate": always("422", { body: {} }),
  "gateways.openapiUpdatePreview": change("gateways", "gateway", {}, "kept", "422"),
  "gateways.openapiUpdate": change("gateways", "gateway", {}, "kept", "422"),
  "registry.export": always("200"),
  "registry.import": always("422", { body: {} }),
  "pins.list": always("200"),
  "pins.get": pin(read("gateways", "gateway", "404 pin")),
  "pins.approve": pin(change("gateways", "gateway", {}, "kept", "422")),
  "pins.reject": pin(change("gateways", "gateway", {}, "kept", "422")),
  "pins.policy": change("gateways", "gateway", {}, "kept", "422"),
  // It is none where users authorise the gateway by OAuth.
  "oauth.authorize": read("gateways", "gateway", "400"),
  "oauth.status": read("gateways", "gateway", "400"),
  "oauth.revoke": read("gateways", "gateway", "400"),
  "oauth.fetchTools": change("gateways", "gateway", undefined, "kept", "400"),
  "oauth.begin": always("400"),
  "oauth.callback GET": always("400"),
  "oauth.callback POST": always("400"),
  "servers.tools": read("servers", "server"),
  "servers.resources": read("servers", "server"),
  "servers.prompts": read("servers", "server"),
  "resources.info": read("resources", "resource"),
  "resources.templates": always("200"),
};

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
};
/** By method: what is spoken needs a session, which nobody has here. */
const open = (answers: string, body?: unknown): Row => ({ ask: () => ({ body }), answer: () => answers });
const on = (of: "servers" | "gateways", noun: string, row: Row): Row => ({
  of,
  ask: (world, visibility, wanted) => ({
    ...row.ask(world, visibility, wanted),
    params: { id: world.thing(of, visibility, "kept") },
  }),
  answer: (caller, visibility) => (uses(caller, visibility) ? row.answer(caller, visibility) : `404 ${noun}`),
});

const spoken = { POST: open("200", INITIALIZE), GET: open("400"), DELETE: open("400") };
const mcp: Readonly<Record<string, Row>> = {
  ...Object.fromEntries(
    Object.entries(spoken).flatMap(([method, row]): [string, Row][] => [
      [`mcp ${method}`, row],
      [`server-mcp ${method}`, on("servers", "server", row)],
      // Nobody answers behind it.
      [`gateway-mcp ${method}`, on("gateways", "upstream", method === "POST" ? open("upstream", INITIALIZE) : row)],
    ]),
  ),
  sse: open("200"),
  "server-sse": on("servers", "server", open("200")),
  message: open("400", INITIALIZE),
  "server-message": on("servers", "server", open("400", INITIALIZE)),
  ws: open("405"),
  "server-ws": on("servers", "server", open("405")),
  rpc: open("200", { jsonrpc: "2.0", id: 1, method: "ping" }),
  "root-rpc": open("200", { jsonrpc: "2.0", id: 1, method: "ping" }),
};

const service: Readonly<Record<string, Row>> = {
  health: always("200"),
  ready: always("200"),
  identity: always("204"),
  version: always("200"),
  metrics: always("200"),
  openapi: always("200"),
  limits: always("200"),
  "oauth-resource": always("404"),
  "oauth-resource.mcp": always("404"),
  "oauth-resource.server-mcp": always("404"),
  "oauth-resource.sse": always("404"),
  "oauth-resource.server-sse": always("404"),
  "oauth-resource.ws": always("404"),
  "oauth-resource.server-ws": always("404"),
  "sso.providers": always("404"),
  "sso.login": always("404"),
  "sso.callback": always("404"),
};

const RECORDS = "metrics.overview metrics.top metrics.timeseries metrics.server";
const admin: Readonly<Record<string, Row>> = {
  ...Object.fromEntries(RECORDS.split(" ").map((id) => [id, always("200", { params: { id: BOGUS } })])),
  "metrics.tool": always("404 tool", { params: { id: BOGUS } }),
  "metrics.resource": always("404 resource", { params: { id: BOGUS } }),
  "metrics.prompt": always("404 prompt", { params: { id: BOGUS } }),
  "pool.metrics": always("200"),
  "metrics.reset": always("200"),
  "metrics.stats": always("200"),
  "metrics.rollup": always("200"),
  "metrics.cleanup": always("200"),
  "audit.list": always("200"),
  "audit.verify": always("200"),
  "security.list": always("200"),
  "logs.list": always("200"),
  "logs.search": always("200", { body: {} }),
  "logs.trace": always("200", { params: { correlationId: "c" } }),
};

/** Of our team, for who is in it or sees all; a private team is not there for others. */
const inTeam = (question: Question, answer: (caller: Caller) => string): Row => ({
  ask: ({ teams }) => ({ ...question, params: { id: teams.ours, ...question.params } }),
  answer: (caller) => (isMember(caller) || isWatcher(caller) ? answer(caller) : "404 team"),
});
const member = (answer: string, question: Question = {}) => inTeam(question, () => answer);
const ofPersonal = (row: Row): Row => ({
  ...row,
  ask: (world, visibility, wanted) => ({
    ...row.ask(world, visibility, wanted),
    params: { id: world.teams.personal },
  }),
});
/** An API token acts for nobody's membership. */
const personOnly = (row: Row): Row => ({
  ...row,
  answer: (caller, visibility) => (caller.scope === "whole" ? row.answer(caller, visibility) : "403"),
});
const overseen = (question: Question): Row => ({
  ask: () => question,
  answer: (caller) => (isWatcher(caller) ? "200" : "403"),
});

const users: Readonly<Record<string, Row>> = {
  "auth.login": always("422", { body: {} }),
  "auth.password": always("422", { body: {} }),
  "auth.reset-password": always("422", { body: {} }),
  "auth.logout": byPerson("200", { fresh: true }),
  "auth.refresh": byPerson("200", { fresh: true }),
  "auth.validate": always("200"),
  "auth.me": always("200"),
  "users.list": always("200"),
  "users.create": always("422", { body: {} }),
  "users.get": always("200", OWNERS),
  "users.update": always("200", { ...OWNERS, body: {} }),
  "users.delete": always("404 user", NOBODY),
  "users.unlock": always("404 user", NOBODY),
  "users.reset-password": always("404 user", NOBODY),
  "users.logout": always("404 user", NOBODY),
};

const teams: Readonly<Record<string, Row>> = {
  "teams.list": always("200"),
  "teams.create": always("422", { body: {} }),
  "teams.discover": always("200"),
  "teams.get": member("200"),
  "teams.update": member("200", { body: {} }),
  "teams.delete": ofPersonal(member("422")),
  "teams.leave": personOnly(ofPersonal(member("422"))),
  "members.list": member("200"),
  "members.add": member("422", { body: {} }),
  "members.update": member("404 member", { ...NOBODY, body: { role: "member" } }),
  "members.remove": member("404 member", NOBODY),
  "invitations.create": member("422", { body: {} }),
  "invitations.list": member("200"),
  "invitations.accept": byPerson("404 invitation", { params: { token: "t" } }),
  "invitations.cancel": always("404 invitation", { params: { id: BOGUS } }),
  // It is not public: members need not ask, and others cannot.
  "joins.ask": personOnly(member("403", { body: {} })),
  "joins.list": member("200"),
  "joins.approve": member("404 request", { params: { request: BOGUS } }),
  "joins.reject": member("404 request", { params: { request: BOGUS } }),
};

const roles: Readonly<Record<string, Row>> = {
  "roles.list": always("200"),
  "roles.get": always("200", { params: { id: "viewer" } }),
  "roles.create": always("422", { body: {} }),
  "roles.update": always("422", { params: { id: "viewer" }, body: {} }),
  "roles.delete": always("422", { params: { id: "viewer" } }),
  "roles.assign": {
    ask: (world) => ({ ...OWNERS, body: { role_id: "viewer", scope_id: world.teams.ours } }),
    answer: (caller) => (isAdmin(caller) || caller.role === "teamAdmin" ? "201" : "403"),
  },
  "roles.unassign": {
    ask: (world) => ({ params: { email: OWNER, role: "developer" }, query: `scope_id=${world.teams.theirs}` }),
    answer: (caller) => (isAdmin(caller) || caller.role === "otherAdmin" ? "404 assignment" : "403"),
  },
  "roles.of": overseen(OWNERS),
  "roles.mine": always("200"),
  "permissions.check": always("200", { body: { permission: "tools.read" } }),
  "permissions.of": overseen(OWNERS),
  "permissions.available": always("200"),
  "permissions.mine": always("200"),
};

/** The viewer's own token. */
const viewers = (body?: unknown) => (world: World) => ({
  params: { id: world.tokens["viewer reading"] ?? "none" },
  body,
});
const tokens: Readonly<Record<string, Row>> = {
  "tokens.list": always("200"),
  "tokens.create": byPerson("422", { body: {} }),
  "tokens.all": always("200"),
  "tokens.end": always("404 token", { params: { id: BOGUS } }),
  "tokens.of-team": inTeam({}, (caller) => (isWatcher(caller) || caller.role === "teamAdmin" ? "200" : "403")),
  "tokens.create-for-team": personOnly({
    ask: (world) => ({
      params: { id: world.teams.ours },
      body: { name: "n", scope: { permissions: ["admin.user_management"] } },
    }),
    answer: (caller) => (isMember(caller) ? "403" : "404 team"),
  }),
  "tokens.get": {
    ask: viewers(),
    answer: (caller) => (isWatcher(caller) || caller.role === "viewer" ? "200" : "404 token"),
  },
  "tokens.usage": {
    ask: viewers(),
    answer: (caller) => (isWatcher(caller) || caller.role === "viewer" ? "200" : "404 token"),
  },
  "tokens.update": personOnly({
    ask: viewers({}),
    answer: (caller) => (isAdmin(caller) || caller.role === "viewer" ? "200" : "404 token"),
  }),
  "tokens.revoke": always("404 token", { params: { id: BOGUS } }),
};

/** By route id; by id and method where a route has several. */
export const ROWS: Readonly<Record<string, Row>> = {
  ...registry,
  ...mcp,
  ...service,
  ...admin,
  ...users,
  ...teams,
  ...roles,
  ...tokens,
};

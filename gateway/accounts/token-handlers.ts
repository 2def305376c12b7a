/** REST of API tokens: one's own, those of a team, and everybody's for those who manage users. */
import type { RestResponse } from "../../contract/http.ts";
import { isPermission } from "../../contract/permissions.ts";
import type { Principal } from "../../contract/principal.ts";
import { isPermitted } from "../auth/index.ts";
import { invalid, listResponse, readBody, readListQuery, visible } from "../registry/index.ts";
import type { TokenPatch, TokenRecord } from "../store/index.ts";
import { makeToken } from "./api-token.ts";
import { emailOf, forbid, mayIn, requireWhole, unknown } from "./callers.ts";
import { showToken } from "./present.ts";
import { tokenCreate, tokenPatch } from "./schemas.ts";
import type { AccountsParts, Call, Handlers } from "./types.ts";

const KIND = "token";
const DAY_MS = 86_400_000;

export function tokenHandlers(parts: AccountsParts): Handlers {
  const { store, directory, now } = parts;
  const show = (record: TokenRecord) => showToken(record, now());

  /** One's own; with the right to see or manage everybody's, others' too. */
  async function found(
    { params, principal }: Call,
    others: "users.read" | "admin.user_management",
  ): Promise<TokenRecord> {
    const id = params.id ?? "";
    const record = await store.getToken(id);
    const isReached = record !== undefined && (record.email === emailOf(principal) || mayIn(principal, others, null));
    if (!isReached) throw unknown(KIND, id);
    return record;
  }

  /** What a token is given has to be held by who makes it; it is looked at again with each use. */
  function requireScope(principal: Principal, permissions: readonly string[]): void {
    const lacking = permissions.find((one) => !isPermission(one) || !isPermitted(principal, one));
    if (lacking !== undefined) throw forbid(principal, `make a token for ${lacking} without having it`);
  }

  async function create({ request, principal }: Call, teamId: string | null): Promise<RestResponse> {
    await requireWhole(directory, principal, "make a token");
    const input = readBody(request, tokenCreate, KIND);
    const team = teamId ?? input.teamId ?? null;
    if (team !== null && !principal.teams.includes(team)) throw unknown("team", team);
    const email = emailOf(principal);
    if ((await store.getAccount(email)) === undefined) throw forbid(principal, "make a token: it is no user here");
    const { serverId = null, permissions = [], ipRestrictions = [], timeRestrictions, usageLimits } = input.scope ?? {};
    requireScope(principal, permissions);
    if (serverId !== null) visible(principal, await store.getServer(serverId), "server", serverId);
    const { token, hash } = makeToken();
    const days = input.expiresInDays;
    const created = await store.createToken(
      {
        name: input.name,
        description: input.description,
        email,
        teamId: team,
        serverId,
        permissions: permissions.length === 0 ? null : permissions,
        addresses: ipRestrictions,
        hours: timeRestrictions ?? null,
        limits: usageLimits ?? null,
        tags: input.tags,
        expiresAt: days === undefined ? null : new Date(now() + days * DAY_MS).toISOString(),
      },
      hash,
    );
    const headers = { location: `/v1/tokens/${created.id}` };
    return { status: 201, headers, body: { access_token: token, token: show(created) } };
  }

  async function revoke({ principal }: Call, record: TokenRecord): Promise<RestResponse> {
    if (!(await store.revokeToken(record.id, emailOf(principal), "revoked by request"))) throw unknown(KIND, record.id);
    await directory.changed({ tokenId: record.id });
    return { status: 200, body: { status: "success", id: record.id } };
  }

  return {
    async "tokens.list"({ request, principal }) {
      const input = readListQuery(request.query, "tokens", KIND);
      const page = await store.listTokens({ ...input.query, email: emailOf(principal) });
      return listResponse("tokens", page, input, show);
    },
    async "tokens.all"({ request }) {
      const input = readListQuery(request.query, "tokens/admin/all", KIND);
      return listResponse("tokens", await store.listTokens(input.query), input, show);
    },
    async "tokens.of-team"({ params, request, principal }) {
      const teamId = params.id ?? "";
      const isInside = principal.teams.includes(teamId);
      const manages = mayIn(principal, "teams.manage_members", teamId) || mayIn(principal, "users.read", null);
      if (!isInside && !manages) throw unknown("team", teamId);
      if (!manages) throw forbid(principal, "see the tokens of this team's members");
      const input = readListQuery(request.query, `tokens/teams/${teamId}`, KIND);
      return listResponse("tokens", await store.listTokens({ ...input.query, teamId }), input, show);
    },
    "tokens.create": (call) => create(call, null),
    "tokens.create-for-team": (call) => create(call, call.params.id ?? ""),
    async "tokens.get"(call) {
      return { status: 200, body: show(await found(call, "users.read")) };
    },
    async "tokens.update"(call) {
      await requireWhole(directory, call.principal, "change a token");
      const { id } = await found(call, "admin.user_management");
      const { scope, name, description, tags } = readBody(call.request, tokenPatch, KIND);
      if (scope !== undefined) requireScope(call.principal, scope.permissions);
      const patch: TokenPatch = {
        ...(name === undefined ? {} : { name }),
        ...(description === undefined ? {} : { description }),
        ...(tags === undefined ? {} : { tags }),
        ...(scope === undefined
          ? {}
          : {
              permissions: scope.permissions.length === 0 ? null : scope.permissions,
              addresses: scope.ipRestrictions,
              hours: scope.timeRestrictions,
              limits: scope.usageLimits,
            }),
      };
      const updated = await store.updateToken(id, patch);
      if (updated === undefined) throw invalid(KIND, [{ path: "", allowed: "a token that was not revoked" }]);
      await directory.changed({ tokenId: id });
      return { status: 200, body: show(updated) };
    },
    "tokens.revoke": async (call) => revoke(call, await found(call, "admin.user_management")),
    async "tokens.end"(call) {
      const record = await store.getToken(call.params.id ?? "");
      if (record === undefined) throw unknown(KIND, call.params.id ?? "");
      return revoke(call, record);
    },
    async "tokens.usage"(call) {
      const { id } = await found(call, "users.read");
      const [usage, hours] = await Promise.all([store.usageOf(id), store.useByHour(id)]);
      const { hour: lastHour, day: last24Hours, total } = usage;
      return { status: 200, body: { tokenId: id, lastHour, last24Hours, total, hours } };
    },
  };
}

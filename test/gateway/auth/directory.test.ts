/** What the deployment knows has the last word: revocation, change, a store that does not answer, many requests at once. */
import { describe, expect, it } from "vitest";
import { fault } from "../../../contract/errors.ts";
import type { Grants } from "../../../contract/principal.ts";
import type { Permission } from "../../../contract/routes.ts";
import type { AuthOptions, Directory, DirectoryChange, Identity, Standing } from "../../../gateway/auth/index.ts";
import { createResources } from "../../../gateway/auth/index.ts";
import { BASE, head, NOW, refusal, resourceOptions, room, routeOf } from "./room.ts";

type Answer = (identity: Identity) => Standing | Promise<Standing>;
const KNOWN: Standing = { admitted: true, admin: false, oversees: false, teams: ["t"] };

function knowing(answer: Answer, options: Partial<AuthOptions> = {}) {
  const asked: Identity[] = [];
  const listeners: ((change: DirectoryChange) => void)[] = [];
  const answers = { next: answer };
  const directory: Directory = {
    standingOf(identity) {
      asked.push(identity);
      return answers.next(identity);
    },
    onChanged(listener) {
      listeners.push(listener);
      return () => undefined;
    },
  };
  const made = room({ directory, ...options });
  const changed = (change: DirectoryChange) => {
    for (const listener of listeners) listener(change);
  };
  const bearer = async (username: string, more: object = {}) =>
    `Bearer ${await made.auth.mint({ username, expMinutes: 60, id: `id-${username}`, ...more })}`;
  return { ...made, asked, answers, changed, bearer };
}

const down = () => Promise.reject(fault("MCPS_DATABASE", { reason: "gone" }));

describe("the directory", () => {
  it("is told what the proof says, once for as long as its answer is believed", async () => {
    const { auth, asked, clock, bearer } = knowing(async () => KNOWN);
    const header = await bearer("bob", { admin: true, teams: ["a"], permissions: ["tools.read"], serverId: "s" });
    const principal = await auth.authenticate(header);
    const bob = {
      subject: "bob",
      kind: "jwt",
      claimsAdmin: true,
      teams: ["a"],
      permissions: ["tools.read"],
      serverId: "s",
      tokenId: "id-bob",
      issuedAt: NOW,
      expiresAt: NOW + 3_600_000,
    };
    expect(asked).toEqual([bob]);
    expect(principal).toEqual({
      id: "bob",
      kind: "jwt",
      admin: false,
      teams: ["t"],
      serverId: "s",
      tokenId: "id-bob",
      expiresAt: NOW + 3_600_000,
    });
    expect(auth.authenticate(header)).toBe(principal);
    clock.now += 60_000;
    await auth.authenticate(header);
    expect(asked).toEqual([bob, bob]);
  });

  it("is asked one question for all requests that come with a new token at once", async () => {
    const { auth, asked, bearer, outcomes } = knowing(async () => KNOWN);
    const header = await bearer("bob");
    const found = await Promise.all(Array.from({ length: 50 }, () => auth.authenticate(header)));
    expect([new Set(found).size, asked.length, outcomes.length]).toEqual([1, 1, 50]);
  });

  it.each([
    ["inactive", "the account is not active"],
    ["revoked", "the token was revoked"],
    ["unknown", "the deployment does not know this caller"],
  ] as const)("refuses who is %s", async (why, reason) => {
    const { auth, bearer, outcomes } = knowing(() => ({ admitted: false, why }));
    expect(await refusal(async () => auth.authenticate(await bearer("bob")))).toEqual({
      status: 401,
      message: `Authentication required: ${reason}`,
      challenge: `Bearer realm="mcp-stack", error="invalid_token", error_description="${reason}"`,
    });
    expect(outcomes).toEqual(["invalid"]);
  });

  it.each<[DirectoryChange, readonly string[]]>([
    [{ subject: "bob" }, ["bob"]],
    [{ tokenId: "id-eve" }, ["eve"]],
    [{ subject: "bob", tokenId: "id-eve" }, []],
    [{}, ["bob", "eve"]],
    [{ subject: "zoe" }, []],
  ])("that tells of %j makes %j be asked for again, and nobody else", async (change, expected) => {
    const { auth, asked, bearer, changed } = knowing(() => KNOWN);
    const headers = await Promise.all([bearer("bob"), bearer("eve")]);
    for (const header of headers) await auth.authenticate(header);
    asked.length = 0;
    changed(change);
    for (const header of headers) await auth.authenticate(header);
    expect(asked.map(({ subject }) => subject)).toEqual(expected);
  });

  it("that tells of a change while it is asked is asked again", async () => {
    const wasAsked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Standing>();
    const { auth, answers, bearer, changed } = knowing(() => {
      wasAsked.resolve();
      return answer.promise;
    });
    const header = await bearer("bob");
    const first = Promise.resolve(auth.authenticate(header));
    await wasAsked.promise;
    answers.next = () => ({ admitted: false, why: "revoked" });
    changed({ subject: "bob" });
    answer.resolve(KNOWN);
    await first;
    expect((await refusal(() => auth.authenticate(header))).message).toContain("revoked");
  });

  it("decides about certificates too, and never makes them administrators", async () => {
    const grants: Grants = { everywhere: new Set<Permission>(["tools.delete"]), byTeam: new Map(), own: new Set() };
    const client = { commonName: "ann", names: ["email:ann@a.example"], fingerprint: "f", expiresAt: NOW + 1000 };
    const { auth, answers, changed } = knowing(async () => ({ ...KNOWN, grants }));
    const principal = await auth.authenticate(undefined, client);
    expect(principal).toMatchObject({ id: "ann@a.example", teams: ["t"], permissions: new Set(["tools.delete"]) });
    expect(auth.authenticate(undefined, client)).toBe(principal);
    answers.next = () => ({ ...KNOWN, admin: true, oversees: true, grants });
    changed({ subject: "ann@a.example" });
    expect(auth.authenticate(undefined, client)).toEqual({
      id: "ann@a.example",
      kind: "certificate",
      admin: false,
      teams: ["t"],
      expiresAt: NOW + 1000,
    });
    answers.next = () => ({ admitted: false, why: "inactive" });
    changed({});
    expect((await refusal(() => auth.authenticate(undefined, client))).message).toContain("not active");
  });
});

describe("a directory that does not answer", () => {
  const UNKNOWN = "Who is asking cannot be found out now: MCPS_DATABASE (AUTH_REVOCATION_FAIL)";

  it("lets nobody in beyond what is remembered, where that was chosen", async () => {
    const { auth, answers, bearer, clock, outcomes } = knowing(() => KNOWN);
    const header = await bearer("bob");
    const principal = await auth.authenticate(header);
    answers.next = down;
    clock.now += 59_999;
    expect(auth.authenticate(header)).toBe(principal);
    clock.now += 1;
    expect(await refusal(() => auth.authenticate(header))).toEqual({
      status: 503,
      message: UNKNOWN,
      challenge: undefined,
    });
    answers.next = () => KNOWN;
    expect(await auth.authenticate(header)).toEqual(principal);
    expect(outcomes).toEqual(["ok", "ok", "unknown", "ok"]);
  });

  it("lets in who was known for a bounded time, where that was chosen, and nobody new", async () => {
    const { auth, asked, answers, bearer, clock, outcomes } = knowing(() => KNOWN, { staleMs: 300_000 });
    const [bob, eve] = await Promise.all([bearer("bob"), bearer("eve")]);
    const principal = await auth.authenticate(bob);
    answers.next = down;
    clock.now += 60_000;
    expect(await auth.authenticate(bob)).toBe(principal);
    // Not asked again with every request meanwhile.
    expect(auth.authenticate(bob)).toBe(principal);
    expect(asked.length).toBe(2);
    expect((await refusal(() => auth.authenticate(eve))).message).toBe(UNKNOWN);
    clock.now += 299_999;
    expect(await auth.authenticate(bob)).toBe(principal);
    clock.now += 1;
    expect((await refusal(() => auth.authenticate(bob))).status).toBe(503);
    expect(outcomes).toEqual(["ok", "stale", "ok", "unknown", "stale", "unknown"]);
  });

  it("lets nobody in whom a change was about", async () => {
    const { auth, answers, bearer, changed } = knowing(() => KNOWN, { staleMs: 300_000 });
    const header = await bearer("bob");
    await auth.authenticate(header);
    answers.next = down;
    changed({ subject: "bob" });
    expect((await refusal(() => auth.authenticate(header))).status).toBe(503);
  });

  it("lets nobody in whose token has ended", async () => {
    const { auth, answers, bearer, clock } = knowing(() => KNOWN, { staleMs: 86_400_000 });
    const header = await bearer("bob", { expMinutes: 2 });
    await auth.authenticate(header);
    answers.next = down;
    clock.now += 120_000;
    expect((await refusal(() => auth.authenticate(header))).status).toBe(503);
    clock.now += 30_000;
    expect((await refusal(() => auth.authenticate(header))).message).toContain("expired");
  });
});

describe("403", () => {
  const grants = (...everywhere: Permission[]): Grants => ({
    everywhere: new Set(everywhere),
    byTeam: new Map(),
    own: new Set(),
  });
  const narrowedBy = ({ permissions }: Identity): Standing => {
    const roles: readonly Permission[] = ["tools.read", "tools.create"];
    return { ...KNOWN, grants: grants(...roles.filter((role) => permissions?.includes(role) ?? true)) };
  };
  const resources = createResources(resourceOptions());

  async function denied(method: string, path: string, more: object) {
    const { auth, bearer } = knowing(narrowedBy, { resources });
    const asked = head(method, path, { authorization: await bearer("bob", more) });
    const principal = await auth.callerOf(routeOf(asked), asked);
    return refusal(() => auth.require(principal, routeOf(asked), asked));
  }

  it("says which scopes a token needs that is too narrow, all of them", async () => {
    expect(await denied("POST", "/tools", { permissions: ["tools.read"] })).toEqual({
      status: 403,
      message: "bob may not tools.create",
      challenge: `Bearer realm="mcp-stack", error="insufficient_scope", error_description="the token does not cover tools.create", scope="tools.read tools.create", resource_metadata="${BASE}/.well-known/oauth-protected-resource"`,
    });
  });

  it("says nothing of scopes to who may not, whatever his token", async () => {
    const plain = { status: 403, message: "bob may not tools.delete", challenge: undefined };
    expect(await denied("DELETE", "/tools/x", { permissions: ["tools.read"] })).toEqual(plain);
    expect(await denied("DELETE", "/tools/x", { permissions: ["tools.delete"] })).toEqual(plain);
    expect(await denied("DELETE", "/tools/x", {})).toEqual(plain);
  });
});

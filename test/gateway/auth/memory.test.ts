/** What the auth room remembers, of good and of bad tokens: bounded, and gone when keys change. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PrincipalMemory } from "../../../gateway/auth/memory.ts";
import { Refusals } from "../../../gateway/auth/refusals.ts";
import type { Rejection, Verifier } from "../../../gateway/auth/verifiers.ts";
import { type Key, newKey, startIssuer, type TestIssuer } from "./issuer.ts";
import { BASE, NOW, refusal, room, trusting } from "./room.ts";

describe("principals", () => {
  const entry = (subject: string) => ({
    principal: { id: subject, kind: "jwt", admin: false, teams: [] } as const,
    identity: { subject, kind: "jwt", claimsAdmin: false } as const,
    since: 0,
    until: 100,
    staleUntil: 200,
  });

  it("are asked for anew where the clock was set back: nobody knows how long they have been believed", () => {
    const clock = { now: 50 };
    const memory = new PrincipalMemory(4, () => clock.now);
    memory.keep("a", { ...entry("a"), since: 50 });
    clock.now = 49;
    expect([memory.recallStale("a"), memory.recall("a"), memory.size]).toEqual([undefined, undefined, 0]);
  });

  it("make room for others, those first that were not used for longest", () => {
    const memory = new PrincipalMemory(4, () => 0);
    for (const key of ["a", "b", "c", "d"]) memory.keep(key, entry(key));
    memory.recall("a");
    memory.keep("e", entry("e"));
    expect(["a", "b", "c", "d", "e"].filter((key) => memory.recall(key) !== undefined)).toEqual(["a", "c", "d", "e"]);
    expect(memory.size).toBe(4);
  });

  it("are there for who has nobody to ask, a while longer", () => {
    const clock = { now: 99 };
    const memory = new PrincipalMemory(4, () => clock.now);
    memory.keep("a", entry("a"));
    expect(memory.recall("a")?.principal.id).toBe("a");
    clock.now = 100;
    expect([memory.recall("a"), memory.recallStale("a")?.principal.id]).toEqual([undefined, "a"]);
    clock.now = 200;
    expect([memory.recallStale("a"), memory.recall("a"), memory.size]).toEqual([undefined, undefined, 0]);
  });
});

describe("refusals", () => {
  const lasting: Rejection = { rejected: "invalid", reason: "r", lasting: true };

  it("are kept for half a minute, a thousand of them, and only those that last", () => {
    const clock = { now: 0 };
    const refusals = new Refusals(() => clock.now);
    refusals.keep("x", { rejected: "expired", reason: "r" });
    expect(refusals.size).toBe(0);
    for (let count = 0; count < 1001; count++) refusals.keep(`t${count}`, lasting);
    expect([refusals.size, refusals.of("t0"), refusals.of("t1000")]).toEqual([1000, undefined, lasting]);
    clock.now = 30_000;
    expect(refusals.of("t1000")).toBeUndefined();
  });

  it("spare the verifier the same bad token", async () => {
    let asked = 0;
    const verifier: Verifier = {
      async verify() {
        asked++;
        return lasting;
      },
    };
    const { auth, outcomes } = room({ verifiers: [verifier] });
    for (let count = 0; count < 5; count++) await refusal(() => auth.authenticate("Bearer bad"));
    expect([asked, outcomes]).toEqual([1, Array.from({ length: 5 }, () => "invalid")]);
  });
});

describe("a key that its issuer takes out", () => {
  let issuer: TestIssuer;
  let first: Key;
  let second: Key;
  beforeAll(async () => {
    [issuer, first, second] = await Promise.all([startIssuer(), newKey("first"), newKey("second")]);
  });
  afterAll(() => issuer.close());

  it("takes with it whom the room remembers by it, and what it refused is looked at again", async () => {
    issuer.keys.push(first);
    const { auth, clock } = trusting({ issuers: [issuer.url] }, { cacheMs: 3_600_000 });
    const bearer = async (key: Key) =>
      `Bearer ${await issuer.sign(key, { sub: key.kid, aud: BASE, exp: NOW / 1000 + 86_400 })}`;
    const [old, fresh] = await Promise.all([bearer(first), bearer(second)]);
    const principal = await auth.authenticate(old);
    expect((await refusal(() => auth.authenticate(fresh))).message).toContain("a key that its issuer does not have");
    issuer.keys.splice(0, 1, second);
    clock.now += 600_000;
    expect(auth.authenticate(old)).toBe(principal);
    expect((await auth.authenticate(fresh)).id).toContain("#second");
    expect((await refusal(() => auth.authenticate(old))).message).toContain("a key that its issuer does not have");
  });

  it("is not asked for again by a flood of tokens", async () => {
    const { auth } = trusting({ issuers: [issuer.url] });
    issuer.asked.length = 0;
    const tokens = Array.from({ length: 200 }, (_, count) =>
      issuer.sign({ ...second, kid: `made up ${count}` }, { sub: "x", aud: BASE, exp: NOW / 1000 + 60 }),
    );
    for (const token of await Promise.all(tokens))
      expect((await refusal(() => auth.authenticate(`Bearer ${token}`))).status).toBe(401);
    expect(issuer.asked).toEqual(["/.well-known/openid-configuration", "/keys"]);
  });
});

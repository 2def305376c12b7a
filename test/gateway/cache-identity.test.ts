/** What a cache in front of the gateway is told: for whom an answer is, and who may keep it. */
import { describe, expect, it } from "vitest";
import type { Principal } from "../../contract/principal.ts";
import { cacheIdentities, cacheMarks } from "../../gateway/cache-identity.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const ann: Principal = { id: "ann@example.com", kind: "jwt", admin: false, teams: ["b", "a"] };

function identities(options: Partial<Parameters<typeof cacheIdentities>[0]> = {}) {
  return cacheIdentities({ secret: SECRET, build: "1.0.0", catalogueVersion: () => 7, ...options });
}

describe("cacheIdentities", () => {
  const identityOf = identities();
  const parts = (principal: Principal) => identityOf(principal).split(".");

  it("is three parts that fit a header and tell nobody who it is", () => {
    expect(identityOf(ann)).toMatch(/^[\w-]{16}\.[\w-]{16}\.7-[\w-]{16}$/);
    expect(identityOf(ann)).not.toContain("ann");
    expect(identities({ secret: "another-0123456789abcdef0123456789" })(ann).split(".")[0]).not.toBe(parts(ann)[0]);
  });

  it("is the same for the same caller, whatever his token and the order of his teams", () => {
    expect(identityOf({ ...ann, expiresAt: 1, teams: ["a", "b", "b"] })).toBe(identityOf(ann));
    expect(identities()(ann)).toBe(identityOf(ann));
  });

  it("tells callers and what they may do apart", () => {
    const [id, scopes] = parts(ann);
    for (const [change, same] of [
      [{ id: "bob@example.com" }, scopes],
      [{ kind: "anonymous" }, scopes],
      [{ admin: true }, id],
      [{ teams: ["a"] }, id],
      [{ teams: ["a,b"] }, id],
      [{ teams: [] }, id],
      [{ oversees: true }, id],
      [{ serverId: "a" }, id],
      [{ permissions: new Set(["tools.read"]) }, id],
      [{ permissions: new Set() }, id],
      [{ grants: { everywhere: new Set(["tools.read"]), own: new Set(), byTeam: new Map() } }, id],
      [{ grants: { everywhere: new Set(), own: new Set(["tools.read"]), byTeam: new Map() } }, id],
      [{ grants: { everywhere: new Set(), own: new Set(), byTeam: new Map([["a", new Set(["tools.read"])]]) } }, id],
    ] satisfies readonly (readonly [Partial<Principal>, string | undefined])[]) {
      const [otherId, otherScopes] = parts({ ...ann, ...change });
      expect([otherId === id, otherScopes === scopes], JSON.stringify(change)).toEqual([same === id, same === scopes]);
    }
  });

  it("changes with the catalogue, the program and its settings", () => {
    let version = 7;
    const moving = identities({ catalogueVersion: () => version });
    expect(moving(ann)).toBe(identityOf(ann));
    version = 8;
    expect(moving(ann).split(".")[2]).toBe(identityOf(ann).split(".")[2]?.replace("7-", "8-"));
    expect(identities({ build: "1.0.1" })(ann)).not.toBe(identityOf(ann));
  });
});

describe("cacheMarks", () => {
  it.each([
    ["private", "GET", 200, {}, { "cache-control": "private, no-cache", "x-accel-expires": "zone" }],
    ["private", "HEAD", 200, {}, { "cache-control": "private, no-cache", "x-accel-expires": "zone" }],
    ["public", "GET", 200, {}, { "cache-control": "public, max-age=60", "x-accel-expires": "zone" }],
    ["none", "GET", 200, {}, { "cache-control": "no-store" }],
    ["private", "POST", 200, {}, { "cache-control": "no-store" }],
    ["private", "GET", 201, {}, { "cache-control": "no-store" }],
    ["private", "GET", 404, {}, { "cache-control": "no-store" }],
    ["public", "GET", 503, {}, { "cache-control": "no-store" }],
    ["private", "GET", 200, { "Set-Cookie": "a=b" }, { "cache-control": "no-store" }],
  ] as const)("of a %s answer to %s with status %i and headers %j are %j", (cache, method, status, headers, marks) => {
    expect(cacheMarks({ cache }, method, status, headers)).toEqual(marks);
  });
});

/** The directory in two processes: what is asked again, what is told, and what happens when the telling fails. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type AccountDirectory, type DirectoryOptions, openDirectory } from "../../../gateway/accounts/index.ts";
import type { DirectoryChange, Identity } from "../../../gateway/auth/index.ts";
import { memoryState, type SharedState } from "../../../gateway/coordination/index.ts";
import type { StandingRecord } from "../../../gateway/store/index.ts";
import { silentLog } from "../coordination/log.ts";

const ANN: Identity = { subject: "Ann@example.com", kind: "jwt", claimsAdmin: false, tokenId: "jti", issuedAt: 1000 };
const RECORD: StandingRecord = { active: true, admin: false, notBefore: null, teams: [], roles: [] };

/** What a database would hold. */
function database() {
  return {
    version: 1,
    users: new Map([["ann@example.com", RECORD]]),
    revoked: new Set<string>(),
    asked: [] as string[],
    isAway: false,
  };
}

function storeOf(data: ReturnType<typeof database>): DirectoryOptions["store"] {
  const answer = async <Value>(what: string, value: () => Value): Promise<Value> => {
    data.asked.push(what);
    if (data.isAway) throw new Error("away");
    return value();
  };
  return {
    standingOf: (email) => answer(`user ${email}`, () => data.users.get(email)),
    isRevoked: (jti) => answer(`jti ${jti}`, () => data.revoked.has(jti)),
    identityVersion: () => answer("version", () => data.version),
    listRoles: () => answer("roles", () => []),
  };
}

describe("the directory", () => {
  let data: ReturnType<typeof database>;
  let state: SharedState;
  let loses = false;
  const open: AccountDirectory[] = [];

  beforeEach(() => {
    vi.useFakeTimers();
    data = database();
    loses = false;
    const memory = memoryState();
    // As one that several processes share.
    state = {
      kind: "redis",
      subscribe: (channel: string, listener: (message: string) => void) => memory.subscribe(channel, listener),
      publish: async (channel: string, message: string) => (loses ? undefined : memory.publish(channel, message)),
    } as unknown as SharedState;
  });
  afterEach(async () => {
    for (const directory of open.splice(0)) await directory.close();
    vi.useRealTimers();
  });

  async function directory(more: Partial<DirectoryOptions> = {}) {
    const options = { store: storeOf(data), state, log: silentLog, now: Date.now, requireUser: false };
    const ttl = { userTtlMs: 60_000, revocationTtlMs: 30_000 };
    const made = await openDirectory({
      ...options,
      ...ttl,
      defaults: { user: "", teamOwner: "", teamMember: "" },
      ...more,
    });
    open.push(made);
    const changes: DirectoryChange[] = [];
    made.onChanged((change) => changes.push(change));
    data.asked.length = 0;
    return { directory: made, changes };
  }
  const settle = () => vi.advanceTimersByTimeAsync(1);

  it("asks once, in one spelling of the email, and answers at once after that", async () => {
    const { directory: one } = await directory();
    await expect(one.standingOf(ANN)).resolves.toMatchObject({ admitted: true, admin: false });
    expect(data.asked.sort()).toEqual(["jti jti", "roles", "user ann@example.com"]);
    expect(one.standingOf(ANN)).not.toBeInstanceOf(Promise);
    expect(data.asked).toHaveLength(3);
  });

  it("tells every process of a change at once, and what it was about", async () => {
    const [one, other] = [await directory(), await directory()];
    await other.directory.standingOf(ANN);
    data.revoked.add("jti");
    data.version++;
    await one.directory.changed({ tokenId: "jti" });
    await settle();
    expect(other.changes).toEqual([{ tokenId: "jti" }]);
    expect(await other.directory.standingOf(ANN)).toEqual({ admitted: false, why: "revoked" });
    data.users.set("ann@example.com", { ...RECORD, active: false });
    data.revoked.clear();
    data.version++;
    await one.directory.changed({ subject: "ann@example.com" });
    await settle();
    await one.directory.changed({ tokenId: "jti" });
    await settle();
    expect(await other.directory.standingOf(ANN)).toEqual({ admitted: false, why: "inactive" });
  });

  it("finds a change whose message was lost by the version, within five seconds", async () => {
    const [one, other] = [await directory(), await directory()];
    await other.directory.standingOf(ANN);
    data.revoked.add("jti");
    data.version++;
    loses = true;
    await one.directory.changed({ tokenId: "jti" });
    await settle();
    expect(other.directory.standingOf(ANN)).toMatchObject({ admitted: true });
    await vi.advanceTimersByTimeAsync(5000);
    expect(other.changes).toEqual([{}]);
    expect(await other.directory.standingOf(ANN)).toEqual({ admitted: false, why: "revoked" });
  });

  it("forgets everything when a message shows that one before it was lost", async () => {
    const [one, other] = [await directory(), await directory()];
    data.version += 2;
    await one.directory.changed({ subject: "bob@example.com" });
    await settle();
    expect(other.changes).toEqual([{}]);
  });

  it("forgets everything for a message that it cannot read", async () => {
    const { changes } = await directory();
    for (const message of ["", "{}", "[]", '{"version":"x"}']) await state.publish("identity", message);
    await settle();
    expect(changes).toEqual([{}, {}, {}, {}]);
  });

  it("believes no longer than it may where neither message nor version came", async () => {
    const { directory: one } = await directory();
    await one.standingOf(ANN);
    data.isAway = true;
    await vi.advanceTimersByTimeAsync(30_001);
    await expect(async () => one.standingOf(ANN)).rejects.toThrow("away");
    data.isAway = false;
    data.revoked.add("jti");
    expect(await one.standingOf(ANN)).toEqual({ admitted: false, why: "revoked" });
  });

  it("knows strangers by their proof, unless only users are let in", async () => {
    const stranger: Identity = { subject: "eve", kind: "jwt", claimsAdmin: true, teams: ["x"] };
    const { directory: open_ } = await directory();
    expect(await open_.standingOf(stranger)).toEqual({ admitted: true, admin: true, oversees: true, teams: ["x"] });
    expect(await open_.standingOf({ ...stranger, kind: "api-token" })).toEqual({ admitted: false, why: "unknown" });
    const { directory: closed } = await directory({ requireUser: true });
    expect(await closed.standingOf(stranger)).toEqual({ admitted: false, why: "unknown" });
  });
});

/** Two replicas of two workers each on one PostgreSQL and one Redis: one leader, one truth about tokens, and sessions that outlive a replica. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Gateway, type LegacySession, message, missing, rest, send, titled, waitFor } from "../harness/index.ts";
import { callAt, type ReplicaPair, startReplicaPair } from "./replica-pair.ts";

const LEASE_TTL_S = 3;
const absent = missing("postgres", "redis-server");

/** The fences with which a gateway's workers came to hold this lease, in the order of their log. */
function fences(gateway: Gateway, lease: string): number[] {
  return gateway
    .stderr()
    .split("\n")
    .flatMap((line) => {
      if (!line.includes('"lease.acquired"')) return [];
      const entry: { lease?: string; fence?: number } = JSON.parse(line);
      return entry.lease === lease && entry.fence !== undefined ? [entry.fence] : [];
    });
}

describe.skipIf(absent !== undefined)(titled("two replicas of two workers", absent), () => {
  let pair: ReplicaPair;
  beforeAll(async () => {
    pair = await startReplicaPair(true, {
      WORKERS: "2",
      HEALTH_CHECK_INTERVAL: "1",
      REDIS_LEADER_TTL: String(LEASE_TTL_S),
      REDIS_LEADER_HEARTBEAT_INTERVAL: "1",
    });
  });
  afterAll(() => pair?.stop());

  const everyone = () => [pair.one, pair.two];
  const counted = (gateway: Gateway, session: LegacySession, id: number) =>
    callAt(gateway, session, id, "tools/call", { name: "up__count", arguments: {} });

  it("refuse a token everywhere as soon as it is revoked anywhere, however often it was used", async () => {
    const created = await rest(pair.one, "POST", "/tokens", { name: "short-lived" });
    expect(created.status).toBe(201);
    const { id, token } = readToken(created.body);
    const used = async (gateway: Gateway) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", connection: "close" };
      return (await send("POST", `${gateway.url}/rpc`, headers, message(1, "ping"))).status;
    };
    // A new connection each, so that all four workers have seen the token and believe it.
    for (let turn = 0; turn < 8; turn++) expect(await Promise.all(everyone().map(used))).toEqual([200, 200]);
    expect((await rest(pair.two, "DELETE", `/tokens/${id}`)).status).toBeLessThan(300);
    await waitFor(async () => (await Promise.all(everyone().map(used))).every((status) => status === 401), 5000, "401");
    for (let turn = 0; turn < 8; turn++) expect(await Promise.all(everyone().map(used))).toEqual([401, 401]);
  });

  it("never mix what clients did, in whatever order they ask whichever worker", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(2), fc.nat(1)), { minLength: 1, maxLength: 24 }), async (steps) => {
        const sessions = [await pair.openOnBoth(), await pair.openOnBoth(), await pair.openOnBoth()];
        const counts = [0, 0, 0];
        for (const [index, [client, where]] of steps.entries()) {
          const session = sessions[client];
          const gateway = everyone()[where];
          if (session === undefined || gateway === undefined) throw new Error("out of range");
          counts[client] = (counts[client] ?? 0) + 1;
          const answer = (await counted(gateway, session, index + 1)).json();
          expect(answer).toMatchObject({ result: { content: [{ text: String(counts[client]) }] } });
        }
      }),
      { numRuns: 8 },
    );
  });

  it("have one leader, whose work the others take over, and sessions go on where another replica is", async () => {
    await waitFor(() => everyone().some((gateway) => fences(gateway, "health").length > 0), 60_000, "a leader");
    const held = everyone().map((gateway) => fences(gateway, "health"));
    expect(held.flat()).toHaveLength(1);
    const leads = held.findIndex((own) => own.length > 0);
    const [leader, other] = leads === 0 ? [pair.one, pair.two] : [pair.two, pair.one];
    const [before = 0] = fences(leader, "health");

    const session = await pair.openOnBoth();
    expect((await counted(leader, session, 1)).json()).toMatchObject({ result: { content: [{ text: "1" }] } });
    await leader.kill("SIGKILL");
    expect((await counted(other, session, 2)).json()).toMatchObject({ result: { content: [{ text: "2" }] } });
    const [after = 0] = await waitFor(
      () => {
        const own = fences(other, "health");
        return own.length > 0 ? own : undefined;
      },
      (LEASE_TTL_S + 15) * 1000,
      "another leader",
    );
    expect(after).toBeGreaterThan(before);

    const reborn = await pair.startReplica();
    if (leads === 0) pair.one = reborn;
    else pair.two = reborn;
    expect((await counted(reborn, session, 3)).json()).toMatchObject({ result: { content: [{ text: "3" }] } });
    expect(fences(reborn, "health")).toEqual([]);
  });
});

function readToken(body: unknown): { readonly id: string; readonly token: string } {
  const text = JSON.stringify(body);
  const token = /"(?:access_token|token)":"([^"]{20,})"/.exec(text)?.[1];
  const id = /"id":"([^"]+)"/.exec(text)?.[1];
  if (token === undefined || id === undefined) throw new Error(`no token in ${text.replaceAll(/[\w-]{30,}/g, "…")}`);
  return { id, token };
}

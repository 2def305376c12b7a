/** Behind the stack's own nginx callers keep their addresses: in the audit trail, in limits, and where a token may be used from. */
import { describe, expect, it } from "vitest";
import { rest, send, titled } from "../../harness/index.ts";
import { absent, useLocalStack } from "./stack.ts";

describe.skipIf(absent !== undefined)(titled("callers of a stack of this machine", absent), () => {
  const stack = useLocalStack({
    gateway: { records: { audit: "changes" } },
    access: { rateLimits: ["address:127.0.0.6=8/h"], trustedProxies: ["127.0.0.9/32"] },
  });
  const forged = { "x-forwarded-for": "203.0.113.9", forwarded: "for=203.0.113.9" };
  const through = (method: string, path: string, from: string, headers: Readonly<Record<string, string>> = {}) =>
    send(method, `${stack().gateway.url}${path}`, { ...stack().gateway.headers, ...headers }, undefined, from);

  it.each([
    ["who comes to nginx, whatever he says of himself", "127.0.0.5", forged, "127.0.0.5"],
    [
      "whom a balancer names that nginx believes",
      "127.0.0.9",
      { "x-forwarded-for": "10.0.0.1, 198.51.100.7" },
      "198.51.100.7",
    ],
    ["who comes from this machine", "127.0.0.1", forged, "127.0.0.1"],
  ] as const)("are in the audit trail: %s", async (name, from, headers, client) => {
    const id = name.replaceAll(/\W+/g, "-");
    const answer = await through("DELETE", "/tools/none", from, { ...headers, "x-correlation-id": id });
    expect([answer.status, answer.headers["x-correlation-id"]]).toEqual([404, id]);
    const { body } = await rest(stack().gateway, "GET", `/admin/audit?correlation_id=${id}`);
    expect(body.rows).toEqual([expect.objectContaining({ remote: client, action: "tools.delete", status: 404 })]);
  });

  it("are limited by them, over both replicas", async () => {
    const status = async (from: string) => (await through("GET", "/admin/limits", from, forged)).status;
    const statuses: number[] = [];
    for (let times = 0; times < 16; times++) statuses.push(await status("127.0.0.6"));
    // Each replica may hold one of them that the other one is asked for.
    const served = statuses.filter((one) => one === 200).length;
    expect([6, 7, 8]).toContain(served);
    expect(statuses.filter((one) => one === 429)).toHaveLength(16 - served);
    expect(await status("127.0.0.7")).toBe(200);
  });

  it("have tokens that are good from one address alone, also for answers that nginx keeps", async () => {
    const scope = { ip_restrictions: ["127.0.0.5", "127.0.1.0/24"] };
    const { status, body } = await rest(stack().gateway, "POST", "/tokens", { name: "narrow", scope });
    expect(status).toBe(201);
    const token = { authorization: `Bearer ${String(body.access_token)}` };
    const seen = async (from: string) => (await through("GET", "/tools", from, { ...forged, ...token })).status;
    for (const _ of [1, 2]) {
      expect([await seen("127.0.0.5"), await seen("127.0.1.77")]).toEqual([200, 200]);
      expect([await seen("127.0.0.1"), await seen("127.0.0.4")]).toEqual([403, 403]);
    }
  });
});

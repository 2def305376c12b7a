/** What the store promises of pinned tools and of quotas, on whatever database it is given. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSealer } from "../../../gateway/sessions/index.ts";
import { openStore, type Store } from "../../../gateway/store/index.ts";
import { silentLog } from "../coordination/log.ts";
import type { Asked } from "./asked.ts";
import { gatewayInput, keyOf } from "./conformance.ts";

const DAY = 86_400_000;

export function describeProtection(name: string, urlOf: () => Promise<string>, asked: Asked): void {
  describe(`protection on ${name}`, () => {
    let store: Store;
    beforeAll(async () => {
      const options = { poolSize: 4, poolTimeoutMs: 10_000, log: silentLog, sealing: createSealer([keyOf("k")]) };
      store = asked.watch(await openStore({ url: await urlOf(), ...options }));
    });
    afterAll(() => store.close());

    const sighting = (tool: string, digest: string, isTrusted = false) => ({
      name: tool,
      digest,
      definition: `{"name":"${tool}","description":"${digest}"}`,
      flags: digest.startsWith("odd") ? ["hidden-text", "other-tool"] : [],
      isTrusted,
    });

    it("pins a tool at first sight, sees it change and return, and moves the catalogue's version only then", async () => {
      const { id } = await store.createGateway(gatewayInput(`pins-${randomUUID().slice(0, 8)}`));
      const version = await store.catalogueVersion();
      expect(await store.observeTools(id, [sighting("add", "d1", true), sighting("sub", "d2")])).toEqual([
        { name: "add", kind: "first" },
        { name: "sub", kind: "first" },
      ]);
      expect(await store.observeTools(id, [sighting("add", "d1"), sighting("sub", "d2")])).toEqual([]);
      expect(await store.catalogueVersion()).toBe(version + 1);
      expect(await store.observeTools(id, [sighting("add", "odd")])).toEqual([{ name: "add", kind: "changed" }]);
      expect(await store.getPin(id, "add")).toMatchObject({
        digest: "d1",
        definition: '{"name":"add","description":"d1"}',
        approvedBy: "first seen",
        pendingDigest: "odd",
        pendingDefinition: '{"name":"add","description":"odd"}',
        pendingSince: expect.stringMatching(/Z$/),
        flags: ["hidden-text", "other-tool"],
        isRejected: false,
      });
      const pending = await store.listPins({ gatewayId: id, isPending: true });
      expect(pending.map((pin) => [pin.name, pin.digest, pin.pendingDigest])).toEqual([
        ["add", "d1", "odd"],
        ["sub", null, "d2"],
      ]);
      expect(await store.observeTools(id, [sighting("add", "d1")])).toEqual([{ name: "add", kind: "restored" }]);
      expect((await store.listPins({ gatewayId: id, isPending: true })).map((pin) => pin.name)).toEqual(["sub"]);
      await store.deleteGateway(id);
      expect(await store.observeTools(id, [sighting("add", "d1")])).toEqual([]);
      expect(await store.getPin(id, "add")).toBeUndefined();
    });

    it("agrees about a change that several see at once", async () => {
      const { id } = await store.createGateway(gatewayInput(`pins-${randomUUID().slice(0, 8)}`));
      const seen = await Promise.all(Array.from({ length: 8 }, () => store.observeTools(id, [sighting("add", "d1")])));
      expect(seen.flat()).toEqual([{ name: "add", kind: "first" }]);
      await store.deleteGateway(id);
    });

    it("decides about what is pending and about nothing that has come since", async () => {
      const { id } = await store.createGateway(gatewayInput(`pins-${randomUUID().slice(0, 8)}`));
      await store.observeTools(id, [sighting("add", "d1", true)]);
      await store.observeTools(id, [sighting("add", "d2")]);
      expect(await store.decidePin(id, "add", "d9", "ann", true)).toBe(false);
      expect(await store.decidePin(id, "add", "d2", "ann", false)).toBe(true);
      expect(await store.getPin(id, "add")).toMatchObject({ digest: "d1", pendingDigest: "d2", isRejected: true });
      expect(await store.decidePin(id, "add", "d2", "bob", true)).toBe(true);
      expect(await store.getPin(id, "add")).toMatchObject({
        digest: "d2",
        approvedBy: "bob",
        pendingDigest: null,
        isRejected: false,
      });
      await store.setPinPolicy(id, "flag");
      await store.setPinPolicy(id, "quarantine");
      const { pins = [], pinPolicies = {} } = await store.loadSnapshot();
      expect(pins.filter((pin) => pin.gatewayId === id)).toEqual([
        { gatewayId: id, name: "add", digest: "d2", pendingDigest: null },
      ]);
      expect(pinPolicies[id]).toBe("quarantine");
      await store.setPinPolicy(id, null);
      expect((await store.loadSnapshot()).pinPolicies?.[id]).toBeUndefined();
      await store.deleteGateway(id);
    });

    it("hands out of a quota what is left of its period, however many ask at once, and takes back what was not used", async () => {
      const key = `quota:${randomUUID()}`;
      const period = new Date(Math.floor(Date.now() / DAY) * DAY);
      const taken = await Promise.all(Array.from({ length: 20 }, () => store.takeQuota(key, period, 7, 100)));
      expect(taken.reduce((sum, { granted }) => sum + granted, 0)).toBe(100);
      expect(Math.max(...taken.map(({ used }) => used))).toBe(100);
      expect(await store.takeQuota(key, period, 1, 100)).toEqual({ granted: 0, used: 100 });
      expect(await store.takeQuota(key, period, -30, 100)).toEqual({ granted: -30, used: 70 });
      expect(await store.takeQuota(key, period, 40, 100)).toEqual({ granted: 30, used: 100 });
      // A limit that was lowered gives nothing and takes nothing.
      expect(await store.takeQuota(key, period, 5, 10)).toEqual({ granted: 0, used: 100 });
      expect(await store.takeQuota(key, new Date(period.getTime() + DAY), 5, 100)).toEqual({ granted: 5, used: 5 });
    });
  });
}

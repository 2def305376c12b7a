/** What the store promises of REST upstreams and the tools made of their operations, on whatever database it is given. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSealer } from "../../../gateway/sessions/index.ts";
import { openStore, type RestToolRow, type Store } from "../../../gateway/store/index.ts";
import { silentLog } from "../coordination/log.ts";
import type { Asked } from "./asked.ts";
import { gatewayInput, keyOf } from "./conformance.ts";

/** Whoever changes a tool approves it. */
const BY = "admin@example.com";

export function describeRestTools(name: string, urlOf: () => Promise<string>, asked: Asked): void {
  describe(`REST tools on ${name}`, () => {
    let store: Store;
    beforeAll(async () => {
      const options = { poolSize: 4, poolTimeoutMs: 10_000, log: silentLog, sealing: createSealer([keyOf("k")]) };
      store = asked.watch(await openStore({ url: await urlOf(), ...options }));
    });
    afterAll(() => store.close());

    const row = (tool: string, path = `/${tool}`): RestToolRow => ({
      name: tool,
      definition: `{"name":"${tool}","inputSchema":{"maximum":9007199254740993.0}}`,
      operation: `{"method":"GET","path":"${path}"}`,
      sourceKey: `GET ${path}`,
    });
    const document = { url: "https://api.example.com/openapi.json", options: "{}", digest: "d1" };
    async function create(tools: readonly RestToolRow[]): Promise<string> {
      const id = randomUUID();
      const from = { ...document, title: "Pets\0", version: "1" };
      const about = { id, capabilities: '{"tools":{}}', reachable: true, from };
      const created = await store.createRestGateway(gatewayInput(`rest-${id.slice(0, 8)}`), tools, about);
      expect(created).toMatchObject({ id, reachable: true, capabilities: { tools: {} } });
      return id;
    }
    const toolsOf = async (id: string) =>
      (await store.restTools(id)).map((tool) => [tool.name, tool.operation, tool.sourceKey, tool.removed]);
    const idOf = async (id: string, tool: string) =>
      (await store.restTools(id)).find((one) => one.name === tool)?.id ?? "";
    const revision = async (id: string) => (await store.getGateway(id))?.revision;

    it("makes an upstream with more tools than go into one statement, in their order, or none of it", async () => {
      const names = Array.from({ length: 2500 }, (_, index) => `op${String(index).padStart(4, "0")}`);
      const id = await create(names.map((tool) => row(tool)));
      expect((await store.restTools(id)).map((tool) => tool.name)).toEqual(names);
      expect(await store.restImport(id)).toEqual({
        ...document,
        title: "Pets\ufffd",
        version: "1",
        importedAt: expect.stringMatching(/Z$/),
      });
      const { slug } = (await store.getGateway(id)) ?? { slug: "" };
      const about = { id: randomUUID(), capabilities: "{}", reachable: true };
      await expect(store.createRestGateway(gatewayInput(slug), [row("x")], about)).rejects.toMatchObject({
        code: "MCPS_ITEM_CONFLICT",
      });
      expect(await store.restTools(about.id)).toEqual([]);
      await store.deleteGateway(id);
      expect(await store.restImport(id)).toBeUndefined();
    });

    it("adds, changes and takes back single tools, each time with a new revision of its upstream", async () => {
      const id = await create([row("a")]);
      const before = await revision(id);
      const made = await store.createRestTool(id, row("b"), { tags: ["mine"], enabled: false }, BY);
      expect(made).toMatchObject({ originalName: "b", tags: ["mine"], enabled: false, gatewayId: id });
      await expect(store.createRestTool(id, row("b"), {}, BY)).rejects.toMatchObject({ code: "MCPS_ITEM_CONFLICT" });
      expect(await store.updateRestTool(made.id, row("c", "/other"), { enabled: true }, BY)).toMatchObject({
        item: { id: made.id, originalName: "c", enabled: true, tags: ["mine"] },
        approved: ["c"],
      });
      expect(await store.restOperation(made.id)).toBe('{"method":"GET","path":"/other"}');
      expect(await store.restOperation(randomUUID())).toBeUndefined();
      await store.deleteItem(made.id);
      expect(await toolsOf(id)).toEqual([
        ["a", '{"method":"GET","path":"/a"}', "GET /a", false],
        ["c", '{"method":"GET","path":"/other"}', "GET /other", true],
      ]);
      const again = await store.createRestTool(id, row("c", "/third"), {}, BY);
      expect([again.id, await store.restOperation(again.id)]).toEqual([made.id, '{"method":"GET","path":"/third"}']);
      expect(await revision(id)).toBe(`${before}.3`);
      expect(await store.getItem(["tool"], made.id)).toMatchObject({ originalName: "c", gatewayId: id });
      expect(await store.getItem(["prompt"], made.id)).toBeUndefined();
      await store.deleteGateway(id);
    });

    it("approves a tool with another definition, and nothing with a change of anything else", async () => {
      const id = await create([]);
      const made = await store.createRestTool(id, row("a"), {}, "ann");
      const odd = { name: "a", digest: "odd", definition: '{"name":"a","description":"odd"}', flags: [] };
      await store.observeTools(id, [{ ...odd, isTrusted: false }]);
      const pin = async () => {
        const { approvedBy, pendingDigest } = (await store.getPin(id, "a")) ?? {};
        return [approvedBy, pendingDigest];
      };
      const written = { ...row("a", "/elsewhere"), definition: `  ${row("a").definition}` };
      expect((await store.updateRestTool(made.id, written, { tags: ["x"] }, BY)).approved).toEqual([]);
      expect(await pin()).toEqual(["ann", "odd"]);
      const other = { ...row("a"), definition: '{"name":"a","description":"Another"}' };
      expect((await store.updateRestTool(made.id, other, {}, BY)).approved).toEqual(["a"]);
      expect(await pin()).toEqual([BY, null]);
      const changes = { added: [row("b")], changed: [{ ...other, id: made.id }], gone: [] };
      expect(await store.changeRestTools(id, changes, BY)).toEqual(["b"]);
      await store.deleteGateway(id);
    });

    it("makes several changes as one, under one version, or none of them", async () => {
      const id = await create([row("a")]);
      const before = await store.catalogueVersion();
      const work = store.together(async (registry) => {
        await registry.createRestTool(id, row("b"), {}, "ann");
        await registry.createRestTool(id, row("a"), {}, "ann");
      });
      await expect(work).rejects.toMatchObject({ code: "MCPS_ITEM_CONFLICT" });
      expect([(await toolsOf(id)).map(([name]) => name), await store.catalogueVersion()]).toEqual([["a"], before]);
      const names = await store.together(async (registry) => {
        await registry.createRestTool(id, row("b"), {}, "ann");
        await registry.createRestTool(id, row("c"), {}, "ann");
        return (await registry.restTools(id)).map(({ name }) => name);
      });
      expect([names, await store.catalogueVersion()]).toEqual([["a", "b", "c"], before + 1]);
      await store.deleteGateway(id);
    });

    it("changes a whole import at once: names may be swapped, ids stay, what fails leaves everything as it was", async () => {
      const id = await create([row("a"), row("b"), row("c")]);
      const [a, b, c] = [await idOf(id, "a"), await idOf(id, "b"), await idOf(id, "c")];
      const swapped = [
        { ...row("b"), id: a },
        { ...row("a"), id: b },
      ];
      const from = { ...document, digest: "d2", title: "Pets", version: "2" };
      await store.changeRestTools(id, { added: [row("d")], changed: swapped, gone: [c] }, BY, from);
      const after = [
        [a, "b"],
        [b, "a"],
        [await idOf(id, "d"), "d"],
      ];
      expect((await store.restTools(id)).map((tool) => [tool.id, tool.name])).toEqual(after);
      expect(await store.restImport(id)).toMatchObject({ digest: "d2", version: "2" });
      const clash = store.changeRestTools(id, { added: [row("a")], changed: [], gone: [a] }, BY);
      await expect(clash).rejects.toMatchObject({ code: "MCPS_ITEM_CONFLICT" });
      expect((await store.restTools(id)).map((tool) => [tool.id, tool.name])).toEqual(after);
      expect((await store.allGateways()).filter((one) => one.id === id)).toHaveLength(1);
      await store.deleteGateway(id);
    });
  });
}

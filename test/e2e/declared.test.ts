/** mcp.json (--config) while the gateway runs: what is added, changed and removed arrives; a broken file changes nothing. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Everything, startEverything } from "../fixtures/everything/server.ts";
import {
  type EventStream,
  type Gateway,
  type LegacySession,
  openLegacySession,
  openStream,
  register,
  rest,
  startGateway,
  temporaryDirectory,
  unregister,
  waitFor,
} from "../harness/index.ts";

describe("upstreams declared in a file", () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let file: string;
  let gateway: Gateway;
  let fixtures: Everything[];
  let session: LegacySession;
  let stream: EventStream;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    file = join(directory.path, "mcp.json");
    fixtures = await Promise.all([startEverything({ name: "first" }), startEverything({ name: "second" })]);
    await declare({ first: { type: "http", url: fixtures[0]?.url } });
    gateway = await startGateway({ args: ["--config", file] });
    session = await openLegacySession(gateway.mcpUrl, gateway.headers);
    stream = await openStream("GET", gateway.mcpUrl, { ...session.headers, accept: "text/event-stream" });
  });
  afterAll(async () => {
    stream?.close();
    await gateway?.stop();
    await Promise.all((fixtures ?? []).map((fixture) => fixture.close()));
    await directory?.remove();
  });

  async function declare(mcpServers: object): Promise<void> {
    await writeFile(file, JSON.stringify({ mcpServers }));
  }
  /** The slugs in front of the listed tools. */
  async function slugs(): Promise<string[]> {
    const { text } = await session.call(1, "tools/list");
    return [...new Set([...text.matchAll(/"name":"(\w+?)__/g)].map((match) => match[1] ?? ""))].sort();
  }
  const listed = (wanted: readonly string[]) =>
    waitFor(async () => (await slugs()).join() === wanted.join(), 60_000, `the tools of ${wanted.join(", ")}`);
  const changes = () => stream.events.filter(({ data }) => data.includes("notifications/tools/list_changed")).length;

  it("are there at the start", async () => {
    expect(await slugs()).toEqual(["first"]);
  });

  it("come when they are added, and open streams hear of it", async () => {
    const before = changes();
    await declare({ first: { url: fixtures[0]?.url }, second: { url: fixtures[1]?.url } });
    await listed(["first", "second"]);
    await waitFor(() => changes() > before, 60_000, "list_changed");
  });

  it("change with the file; what is replaced by renaming is seen too", async () => {
    const next = join(directory.path, "next.json");
    const mcpServers = {
      first: { url: fixtures[1]?.url },
      second: { url: fixtures[1]?.url, description: "now described" },
    };
    await writeFile(next, JSON.stringify({ mcpServers }));
    await rename(next, file);
    const records = await waitFor(
      async () => {
        const { body } = await rest(gateway, "GET", "/gateways");
        const text = JSON.stringify(body);
        return text.includes("now described") && !text.includes(`${fixtures[0]?.url}"`) ? text : undefined;
      },
      60_000,
      "the new definitions",
    );
    expect(records).toContain("now described");
    const callsAt = (index: number) =>
      fixtures[index]?.observed.requests.filter((one) => one.method === "tools/call").length ?? 0;
    // What is stored shows over REST a moment before it is served.
    await waitFor(
      async () => {
        const before = callsAt(1);
        const answer = await session.call(2, "tools/call", { name: "first__echo", arguments: { text: "moved" } });
        expect(answer.json()).toMatchObject({ result: { content: [{ text: "moved" }] } });
        return callsAt(1) > before;
      },
      60_000,
      "a call at the new address",
    );
  });

  it.each([
    ["is no JSON", '{"mcpServers": {'],
    ["is something else", '["first"]'],
    ["is empty", ""],
  ])("stay as they are when the file %s, and the log says so", async (_, text) => {
    const seen = () => gateway.stderr().split("what was declared before stays as it is").length;
    const before = seen();
    await writeFile(file, text);
    await waitFor(() => seen() > before, 60_000, "the warning");
    expect(await slugs()).toEqual(["first", "second"]);
  });

  it("with a mistake keep their former definition while the others follow", async () => {
    await declare({ first: { url: fixtures[0]?.url, typo: 1 }, third: { url: fixtures[0]?.url } });
    await listed(["first", "third"]);
    await waitFor(() => gateway.stderr().includes("mcpServers.first: typo"), 60_000, "the warning");
    const { body } = await rest(gateway, "GET", "/gateways");
    expect(JSON.stringify(body)).toContain(`${fixtures[1]?.url}"`);
  });

  it("go when they are removed, and those made over REST stay", async () => {
    const made = await register(gateway, { name: "made", url: fixtures[1]?.url ?? "" });
    const before = changes();
    await declare({});
    await listed(["made"]);
    await waitFor(() => changes() > before, 60_000, "list_changed");
    const answer = await session.call(3, "tools/call", { name: "first__echo", arguments: { text: "gone" } });
    expect(answer.json()).toHaveProperty("error");
    await unregister(gateway, made);
  });
});

/** Resources and prompts that the gateway hosts itself, as clients of both eras see them. */
import type { Client as ModernClient } from "@modelcontextprotocol/client";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectV1, connectV2, type Gateway, type RestAnswer, rest, startGateway, waitFor } from "../harness/index.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway({ env: { JWT_SECRET_KEY: SECRET } });
}, 90_000);
afterAll(() => gateway?.stop());

/** Who is no administrator and in no team. */
function tokenOf(email: string): Promise<string> {
  const claims = new SignJWT().setProtectedHeader({ alg: "HS256" }).setSubject(email).setIssuedAt().setJti(email);
  return claims.setIssuer("mcpgateway").setAudience("mcpgateway-api").sign(Buffer.from(SECRET));
}

async function post(path: string, body: unknown): Promise<string> {
  const answer: RestAnswer = await rest(gateway, "POST", path, body);
  if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return String(answer.body.id);
}

const eras: [string, (url: string) => Promise<Client | ModernClient>][] = [
  ["legacy (v1)", (url) => connectV1(url, gateway)],
  ["legacy (v2)", (url) => connectV2(url, gateway, "legacy")],
  ["modern (v2)", (url) => connectV2(url, gateway, "modern")],
];

describe("hosted resources and prompts", () => {
  let manual: string;
  let page: string;
  let greet: string;
  beforeAll(async () => {
    manual = await post("/resources", {
      uri: "docs://manual",
      name: "Manual",
      content: "read me",
      mime_type: "text/plain",
    });
    page = await post("/resources", { uri_template: "docs://page/{nr}", name: "Page", content: "page {nr}" });
    greet = await post("/prompts", {
      name: "greet",
      template: "Hello {{ who }}",
      arguments: [{ name: "who", required: true }],
    });
    await post("/prompts", { name: "spare", template: "not chosen" });
  });

  it.each(eras)("are listed, read and filled on /mcp: %s", async (_, connect) => {
    const client = await connect(gateway.mcpUrl);
    const { resources } = await client.listResources();
    expect(resources).toEqual([{ uri: "library+docs://manual", name: "Manual", mimeType: "text/plain", size: 7 }]);
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map((one) => one.uriTemplate)).toEqual(["library+docs://page/{nr}"]);
    const { prompts } = await client.listPrompts();
    expect(prompts.map((one) => one.name)).toEqual(["library__greet", "library__spare"]);
    expect((await client.readResource({ uri: "library+docs://page/7" })).contents).toEqual([
      { uri: "library+docs://page/7", mimeType: "text/plain", text: "page 7" },
    ]);
    const { messages } = await client.getPrompt({ name: "library__greet", arguments: { who: "you" } });
    expect(messages).toEqual([{ role: "user", content: { type: "text", text: "Hello you" } }]);
    await expect(client.getPrompt({ name: "library__greet" })).rejects.toMatchObject({
      code: -32602,
      message: expect.stringContaining("who"),
    });
    await client.close();
  });

  it.each(eras)("are behind a virtual server when chosen, under their own names: %s", async (name, connect) => {
    const id = await post("/servers", {
      name: `chosen ${name}`,
      associated_resources: [page],
      associated_prompts: [greet],
    });
    const client = await connect(`${gateway.url}/servers/${id}/mcp`);
    expect((await client.listResources()).resources).toEqual([]);
    expect((await client.listPrompts()).prompts.map((one) => one.name)).toEqual(["greet"]);
    expect((await client.readResource({ uri: "docs://page/1" })).contents).toMatchObject([{ text: "page 1" }]);
    // An exact resource that was not chosen does not come through a template that was.
    const exact = await post("/resources", { uri: "docs://page/2", name: "Two", content: "not chosen" });
    expect((await client.readResource({ uri: "docs://page/2" })).contents).toMatchObject([{ text: "page 2" }]);
    await rest(gateway, "DELETE", `/resources/${exact}`);
    await expect(client.readResource({ uri: "docs://manual" })).rejects.toThrow(/not found/);
    await expect(client.getPrompt({ name: "spare" })).rejects.toThrow(/Unknown prompt/);
    await client.close();
  });

  it("have an endpoint of their own that says what it can", async () => {
    const client = await connectV1(`${gateway.url}/gateways/library/mcp`, gateway);
    expect(client.getServerCapabilities()).toEqual({
      resources: { listChanged: true },
      prompts: { listChanged: true },
    });
    expect((await client.listResources()).resources.map((one) => one.uri)).toEqual(["docs://manual"]);
    await client.close();
  });

  it("tell of changes, and are gone after them; what is private is its owner's", async () => {
    const client = await connectV2(gateway.mcpUrl, gateway, "legacy");
    let changes = 0;
    client.setNotificationHandler("notifications/prompts/list_changed", () => {
      changes++;
    });
    const token = await tokenOf("someone@example.com");
    const other = await connectV1(gateway.mcpUrl, { headers: { authorization: `Bearer ${token}` } });
    const secret = await post("/prompts", { name: "secret", template: "s", visibility: "private" });
    await waitFor(() => changes > 0);
    const names = async (of: Client | ModernClient) => (await of.listPrompts()).prompts.map((one) => one.name);
    expect(await names(client)).toContain("library__secret");
    expect(await names(other)).toEqual(["library__greet", "library__spare"]);
    await expect(other.getPrompt({ name: "library__secret" })).rejects.toThrow(/Unknown prompt/);
    await rest(gateway, "PATCH", `/prompts/${secret}`, { visibility: "public", template: "now open" });
    expect((await other.getPrompt({ name: "library__secret" })).messages).toMatchObject([
      { content: { text: "now open" } },
    ]);
    await rest(gateway, "POST", `/prompts/${secret}/state?activate=false`);
    expect(await names(client)).not.toContain("library__secret");
    await rest(gateway, "DELETE", `/prompts/${secret}`);
    await rest(gateway, "DELETE", `/resources/${manual}`);
    await expect(client.readResource({ uri: "library+docs://manual" })).rejects.toThrow(/not found/i);
    await Promise.all([client.close(), other.close()]);
  });
});

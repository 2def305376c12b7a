/** WebSockets on both engines: upgrades that are granted, refused and switched off, and the bounds of an open connection. */
import { afterEach, describe, expect, it } from "vitest";
import WebSocket from "ws";
import { waitFor } from "../../harness/index.ts";
import { engineNames, engineStarter, halfOpenConnection, isLetGo, rawConnection } from "./harness.ts";

const engines = engineStarter();
afterEach(() => engines.closeAll());

const UPGRADE = [
  "GET /gw/ws?x=y HTTP/1.1",
  "Host: a.example",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "\r\n",
].join("\r\n");

/** RFC 6455 §5.2: a masked text frame of fewer than 126 bytes. */
function textFrame(text: string, first = 0x81): Buffer {
  return Buffer.concat([Buffer.from([first, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}

async function connected(port: number): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
  await new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("open", resolve);
  });
  return socket;
}

const closeOf = (socket: WebSocket) => new Promise<number>((resolve) => socket.once("close", resolve));

describe.each(engineNames)("WebSockets (%s)", (name) => {
  it("opens, with the head as the application knows it, and loses no frame that came with the upgrade", async () => {
    const { port, application } = await engines.start(name, { pathPrefix: "/gw" });
    const raw = await rawConnection(port, Buffer.concat([Buffer.from(UPGRADE), textFrame("at once")]));
    await waitFor(() => raw.text().includes("at once"));
    expect(raw.text()).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    expect(raw.text()).toContain("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    expect(application.heads.map(({ path, query }) => [path, query])).toEqual([["/ws", "x=y"]]);
    raw.socket.destroy();
  });

  it("opens on a connection that has served requests", async () => {
    const { port } = await engines.start(name);
    const raw = await rawConnection(port, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    await waitFor(() => raw.text().includes("}"));
    raw.socket.write(UPGRADE);
    await waitFor(() => raw.text().includes("101 Switching"));
    raw.socket.write(textFrame("hello"));
    await waitFor(() => raw.text().endsWith("hello"));
    raw.socket.destroy();
  });

  it("answers a refusal over HTTP", async () => {
    const { port, application } = await engines.start(name);
    application.refused = true;
    const raw = await rawConnection(port, UPGRADE);
    expect(await raw.closed).toMatch(
      /^HTTP\/1\.1 403 Refused\r\ncontent-length: 7\r\nconnection: close\r\n\r\nrefused$/,
    );
  });

  it.each([
    ["refused", UPGRADE, 403],
    ["for several hosts", UPGRADE.replace("Host: a.example", "Host: a.example\r\nHost: b.example"), 400],
  ])("lets go of a connection whose upgrade is %s and whose client keeps it open", async (_, upgrade, status) => {
    const { port, application } = await engines.start(name, { headTimeoutMs: 200 });
    application.refused = true;
    const { socket, ended } = await halfOpenConnection(port, upgrade);
    expect(Number(/^HTTP\/1\.1 (\d{3}) /.exec(await ended)?.[1])).toBe(status);
    await waitFor(() => isLetGo(socket), 4_000);
  });

  it("WEBSOCKETS=false takes an upgrade for a plain request", async () => {
    const { port, application } = await engines.start(name, { webSockets: false });
    const raw = await rawConnection(port, UPGRADE);
    await waitFor(() => raw.text().includes("}"));
    expect(raw.text()).toMatch(/^HTTP\/1\.1 200 /);
    expect([application.peers, application.heads.length]).toEqual([[], 1]);
    raw.socket.destroy();
  });

  it("offers no compression", async () => {
    const { port } = await engines.start(name);
    const socket = await connected(port);
    expect(socket.extensions).toBe("");
    socket.terminate();
  });

  it("closes on a message that is too large (1009) and on text that is none (1007)", async () => {
    const { port } = await engines.start(name);
    const large = await connected(port);
    large.send("x".repeat(1_000_001));
    expect(await closeOf(large)).toBe(1009);
    const raw = await rawConnection(port, UPGRADE);
    await waitFor(() => raw.text().includes("101 Switching"));
    raw.socket.write(Buffer.concat([textFrame("").subarray(0, 1), Buffer.from([0x82, 0, 0, 0, 0, 0xc3, 0x28])]));
    await raw.closed;
    expect(raw.bytes().subarray(-4).toString("hex")).toBe("880203ef");
  });

  it.each([
    ["no mask", Buffer.from([0x81, 0x02, 0x61, 0x62])],
    ["a reserved bit", textFrame("a", 0xc1)],
    ["an unknown kind", textFrame("a", 0x83)],
    ["a ping that is cut in pieces", textFrame("a", 0x09)],
    ["a continuation of nothing", textFrame("a", 0x80)],
  ])("ends a connection whose frame has %s", async (_, bad) => {
    const { port, application } = await engines.start(name);
    const raw = await rawConnection(port, UPGRADE);
    await waitFor(() => raw.text().includes("101 Switching"));
    let isClosed = false;
    application.peers[0]?.onClose(() => {
      isClosed = true;
    });
    raw.socket.write(bad);
    await raw.closed;
    await waitFor(() => isClosed);
  });

  it("does not wait for them while it drains, and cuts them when it closes", async () => {
    const { port, engine } = await engines.start(name);
    const socket = await connected(port);
    expect(await engine.drain(10_000)).toEqual({ cut: 0 });
    expect(socket.readyState).toBe(WebSocket.OPEN);
    const closed = closeOf(socket);
    await engine.close();
    expect(await closed).toBe(1006);
  });
});

/** The listener of both engines: what is spoken on a connection in the clear, under which paths, and what is said of the port. */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { waitFor } from "../../harness/index.ts";
import { engineNames, engineStarter, rawConnection } from "./harness.ts";
import { ask, frame, frames, headerBlock, http2Session, PREFACE, parseFrames } from "./http2-client.ts";

const engines = engineStarter();
afterEach(() => engines.closeAll());

const GET = "GET /a HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";

/** An HTTP/2 connection in the clear up to its first request. */
const HTTP2_GET = Buffer.concat([
  PREFACE,
  frame(frames.settings, 0, 0),
  frame(
    frames.headers,
    5,
    1,
    headerBlock([
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/a"],
      [":authority", "a.example"],
    ]),
  ),
]);

describe.each(engineNames)("the door (%s)", (name) => {
  it("speaks what the first bytes are, wherever they are cut", async () => {
    const { port, application } = await engines.start(name);
    for (const cut of [1, 2, 3, 4, 13, 14, 16, 23, 24, 25, 33]) {
      const before = application.heads.length;
      const raw = await rawConnection(port, HTTP2_GET.subarray(0, cut));
      raw.socket.setNoDelay(true);
      await new Promise((resolve) => setImmediate(resolve));
      raw.socket.write(HTTP2_GET.subarray(cut));
      const answer = await waitFor(() => parseFrames(raw.bytes()).find(({ type }) => type === frames.headers));
      expect([answer.streamId, application.heads.length]).toEqual([1, before + 1]);
      raw.socket.destroy();
    }
    for (const cut of [1, 2, 5, 20]) {
      const raw = await rawConnection(port, GET.slice(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      raw.socket.write(GET.slice(cut));
      expect(await raw.closed).toMatch(/^HTTP\/1\.1 200 /);
    }
  });

  it("takes a method that begins like the preface for what it is", async () => {
    const { port, application } = await engines.start(name);
    const raw = await rawConnection(port, "PRI");
    raw.socket.write("NT /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(await raw.closed).toMatch(/^HTTP\/1\.1 400 /);
    expect(application.heads).toEqual([]);
  });

  it("takes the preface for none after a request of HTTP/1.1", async () => {
    const { port, application } = await engines.start(name);
    const raw = await rawConnection(port, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    await waitFor(() => raw.text().includes("}"));
    raw.socket.write(HTTP2_GET);
    expect(await raw.closed).toMatch(/HTTP\/1\.1 400 Bad Request/);
    expect(application.heads).toHaveLength(1);
  });

  it("HTTP_VERSIONS=1 refuses the preface", async () => {
    const { port, application } = await engines.start(name, { httpVersions: "1" });
    const raw = await rawConnection(port, HTTP2_GET);
    expect(await raw.closed).toMatch(/^HTTP\/1\.1 400 /);
    expect(application.heads).toEqual([]);
  });

  it("HTTP_VERSIONS=2 refuses HTTP/1.1 in words", async () => {
    const { port, application } = await engines.start(name, { httpVersions: "2" });
    const raw = await rawConnection(port, GET);
    raw.socket.end();
    expect(await raw.closed).toBe(
      "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 46\r\n" +
        "connection: close\r\n\r\nHTTP/2 alone is spoken here (HTTP_VERSIONS=2)\n",
    );
    const session = await http2Session(`http://127.0.0.1:${port}`);
    expect((await ask(session, {})).status).toBe(200);
    session.close();
    expect(application.heads).toHaveLength(1);
  });

  it("HTTP_VERSIONS=2 does not wait for ever for a client that goes on sending", async () => {
    const { port } = await engines.start(name, { httpVersions: "2", headTimeoutMs: 100 });
    const raw = await rawConnection(port, GET);
    await raw.closed;
    expect(raw.text()).toMatch(/^HTTP\/1\.1 505 /);
  });

  it.each([
    ["auto", ""],
    ["auto", "PRI"],
    ["auto", "GET / HT"],
    ["1", ""],
    ["2", ""],
    ["2", "PRI * HTTP/2.0\r\n"],
  ] as const)("HTTP_VERSIONS=%s cuts a connection that says %j and nothing more", async (httpVersions, first) => {
    const { port, application } = await engines.start(name, { httpVersions, headTimeoutMs: 100 });
    const raw = await rawConnection(port, first);
    await raw.closed;
    expect(application.heads).toEqual([]);
  });

  it("lets go of a client that closes its side before it says anything", async () => {
    const { port } = await engines.start(name);
    for (const first of ["", "PRI * HTTP/2.0\r\n"]) {
      const raw = await rawConnection(port, first);
      raw.socket.end();
      expect(await raw.closed).toBe("");
    }
  });

  it("cuts the path prefix on both versions, and knows nothing outside of it but the probes", async () => {
    const { port, application } = await engines.start(name, { pathPrefix: "/gw" });
    const paths = ["/gw/a?b=/gw", "/gw", "/gw/", "/gw?x", "/gwx/a", "/a", "/health", "/ready?x", "/gw/health"];
    const session = await http2Session(`http://127.0.0.1:${port}`);
    for (const path of paths) {
      await ask(session, { ":path": path });
      await (await rawConnection(port, GET.replace("/a", path))).closed;
    }
    session.close();
    const seen = application.heads.map(({ path, query }) => `${path}?${query}`);
    const expected = [
      "/a?b=/gw",
      "/?",
      "/?",
      "/?x",
      "(not under /gw) /gwx/a?",
      "(not under /gw) /a?",
      "/health?",
      "/ready?x",
      "/health?",
    ];
    expect(seen).toEqual(expected.flatMap((one) => [one, one]));
  });

  it("warns of a backlog that the kernel cuts down", async () => {
    const somaxconn = Number(readFileSync("/proc/sys/net/core/somaxconn", "utf8"));
    const { warnings } = await engines.start(name, { backlog: somaxconn + 1 });
    expect(warnings).toEqual([
      {
        event: "the backlog is longer than the kernel allows, which cuts it down",
        fields: { setting: "BACKLOG", backlog: somaxconn + 1, somaxconn },
      },
    ]);
    expect((await engines.start(name, { backlog: somaxconn })).warnings).toEqual([]);
  });

  it("names a port that is taken", async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    await expect(engines.start(name, { port })).rejects.toMatchObject({
      code: "MCPS_PORT_TAKEN",
      message: expect.stringContaining(`127.0.0.1:${port} is in use`),
    });
    await new Promise((resolve) => server.close(resolve));
  });

  it("shares a port where it is told to", async () => {
    const first = await engines.start(name, { reusePort: true });
    const second = await engines.start(name, { reusePort: true, port: first.port });
    expect(second.port).toBe(first.port);
  });

  it("frees its port and cuts what is open when it is closed", async () => {
    const { port, engine } = await engines.start(name);
    const open = [await rawConnection(port), await rawConnection(port, "PRI"), await rawConnection(port, HTTP2_GET)];
    await waitFor(() => parseFrames(open[2]?.bytes() ?? Buffer.alloc(0)).some(({ type }) => type === frames.headers));
    await engine.close();
    await Promise.all(open.map(({ closed }) => closed));
    expect((await engines.start(name, { port })).port).toBe(port);
  });
});

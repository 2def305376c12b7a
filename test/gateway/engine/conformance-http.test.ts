/** What HTTP/1.1 means, asked of every way on which a request may reach the application (RFC 9110, RFC 9112). */
import { afterEach, describe, expect, it } from "vitest";
import type { EngineOptions } from "../../../gateway/engine/index.ts";
import { waitFor } from "../../harness/index.ts";
import { engineStarter } from "./harness.ts";
import { enterLane, lanes } from "./lanes.ts";

const engines = engineStarter();
afterEach(() => engines.closeAll());

/** Of an answer with the body that it was asked with. */
const JSON_TYPE = { "content-type": "application/json" };

describe.each(lanes)("HTTP/1.1 ($title)", (lane) => {
  async function enter(changes: Partial<EngineOptions> = {}) {
    const running = await engines.start(lane.engine, changes);
    const connect = async () => {
      const { client } = await enterLane(lane, running.port);
      running.application.heads.length = 0;
      return client;
    };
    return { ...running, connect, client: await connect() };
  }

  describe("a head", () => {
    it("is handed over as it was sent", async () => {
      const { client, application } = await enter();
      const lines = [
        "GET /a%20b/%2e%2e/c;d=e//f?g=%20&h=/i?j HTTP/1.1",
        "hOsT: a.example:80",
        "X-Repeated: one",
        "x-repeated:  two, three \t",
        "X-Empty:",
        "Accept: text/html",
        "Accept: application/json",
        "Authorization: Bearer a.b.c",
        "X-Symbols: !#$%&'*+-.^_`|~:;=@\"\\",
      ];
      client.send(`${lines.join("\r\n")}\r\n\r\n`);
      expect((await client.next()).status).toBe(200);
      expect(application.heads).toEqual([
        {
          method: "GET",
          path: "/a%20b/%2e%2e/c;d=e//f",
          query: "g=%20&h=/i?j",
          headers: {
            host: "a.example:80",
            "x-repeated": "one, two, three",
            "x-empty": "",
            accept: "text/html, application/json",
            authorization: "Bearer a.b.c",
            "x-symbols": "!#$%&'*+-.^_`|~:;=@\"\\",
          },
          remoteAddress: "127.0.0.1",
          client: undefined,
        },
      ]);
    });

    it("has the cookies of all its lines, and of what exists once the first", async () => {
      const { client, application } = await enter();
      client.send(
        "GET / HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nCookie: b=2; c=3\r\n" +
          "Authorization: Bearer first\r\nAuthorization: Bearer second\r\n\r\n",
      );
      await client.next();
      const [head] = application.heads;
      expect([head?.headers.cookie, head?.headers.authorization]).toEqual(["a=1; b=2; c=3", "Bearer first"]);
    });

    it.each(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY"])(
      "may ask for %s, which is for the application to judge",
      async (method) => {
        const { client, application } = await enter();
        client.send(`${method} /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`);
        expect((await client.next(method)).status).toBe(200);
        expect(application.heads.map((head) => `${head.method} ${head.path}`)).toEqual([`${method} /a`]);
      },
    );

    it.each(["get", "FOO", "GE T", "G\u00c9T"])("that asks for %j is none", async (method) => {
      const { client, application } = await enter();
      client.send(`${method} /a HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect((await client.next()).status).toBe(400);
      expect([await client.rest(), application.heads]).toEqual(["", []]);
    });

    it("asks for the server itself with an asterisk", async () => {
      const { client, application } = await enter();
      client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
      await client.next("OPTIONS");
      expect(application.heads.map(({ path }) => path)).toEqual(["*"]);
    });

    it("may name the whole address, which then says the host too", async () => {
      const { client, application } = await enter({ pathPrefix: "/gw" });
      for (const target of ["http://b.example:81/gw/a%20?c=http://d/", "HTTP://b.example/gw", "http://b.example?c"]) {
        client.send(`GET ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`);
        expect((await client.next()).status).toBe(200);
      }
      const seen = application.heads.map(({ path, query, headers }) => [headers.host, path, query]);
      expect(seen).toEqual([
        ["b.example:81", "/a%20", "c=http://d/"],
        ["b.example", "/", ""],
        ["b.example", "(not under /gw) /", "c"],
      ]);
    });

    it.each([
      ["no Host", ""],
      ["two of them", "Host: a\r\nHost: b\r\n"],
      ["the same twice", "Host: a\r\nhOST: a\r\n"],
      [
        "two of them with an upgrade",
        "Host: a\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
      ],
    ])("needs a Host and has %s", async (_, hosts) => {
      const { client, application } = await enter();
      client.send(`GET / HTTP/1.1\r\n${hosts}\r\n`);
      expect((await client.next()).status).toBe(400);
      expect([await client.rest(), application.heads]).toEqual(["", []]);
    });

    it("may stand behind empty lines, and come byte by byte", async () => {
      const { client, application } = await enter();
      client.raw.socket.setNoDelay(true);
      for (const byte of "\r\n\r\nPOST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy") {
        client.send(byte);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(JSON.parse((await client.next()).body)).toMatchObject({ path: "/a", body: "xy" });
      expect(application.heads).toHaveLength(1);
    });

    it("longer than any is refused", async () => {
      const { client, application } = await enter({ maxHeadBytes: 4096 });
      client.send(`GET / HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(5000)}\r\n\r\n`);
      expect((await client.next()).status).toBe(431);
      expect([await client.rest(), application.heads]).toEqual(["", []]);
    });
  });

  describe("a body", () => {
    const post = (body: string, more = "") =>
      `POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;

    it.each([
      ["none", 0],
      ["one byte", 1],
      ["more than a packet", 70_000],
      ["all that is allowed", 1_000_000],
    ])("of %s arrives as it was sent", async (_, size) => {
      const { client, application } = await enter();
      application.handlers.set("/a", ({ body }, sink) => sink.respond(200, JSON_TYPE, body));
      const body = Buffer.from(Array.from({ length: size }, (_unused, at) => at % 256)).toString("latin1");
      client.send(Buffer.from(post(body), "latin1"));
      expect(await client.next("POST")).toEqual({
        status: 200,
        headers: { "content-length": String(size), ...JSON_TYPE },
        body,
      });
    });

    it("may come with any method and any type", async () => {
      const { client } = await enter();
      for (const method of ["GET", "PUT", "DELETE"]) {
        client.send(`${method} /a HTTP/1.1\r\nHost: a\r\nContent-Type: nonsense\r\nContent-Length: 3\r\n\r\n\0{"`);
        expect(JSON.parse((await client.next()).body)).toMatchObject({ method, body: '\0{"' });
      }
    });

    it("may come in chunks", async () => {
      const { client } = await enter();
      client.send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
      client.send("3;name=value\r\nabc\r\n00A\r\n0123456789\r\n0\r\nTrailer-Field: x\r\n\r\n");
      expect(JSON.parse((await client.next()).body)).toMatchObject({ body: "abc0123456789" });
      client.send(post("after"));
      expect(JSON.parse((await client.next()).body)).toMatchObject({ body: "after" });
    });

    it("is asked for where the client waits to be asked, and only once it is admitted", async () => {
      const { client, application, connect } = await enter();
      const expecting = post("", "Expect: 100-continue\r\n").replace("Content-Length: 0", "Content-Length: 4");
      client.send(expecting);
      expect((await client.next()).status).toBe(100);
      expect([application.heads.length, application.inside]).toEqual([1, 1]);
      client.send("body");
      expect(JSON.parse((await client.next()).body)).toMatchObject({ body: "body" });

      const refused = await connect();
      application.refused = true;
      refused.send(expecting);
      expect((await refused.next()).status).toBe(503);
      application.refused = false;

      const large = await connect();
      large.send(expecting.replace("Content-Length: 4", "Content-Length: 1000001"));
      expect((await large.next()).status).toBe(413);
    });

    it("that is expected otherwise is refused (417)", async () => {
      const { client, application } = await enter();
      client.send(post("x", "Expect: the best\r\n"));
      expect([(await client.next()).status, application.heads]).toEqual([417, []]);
    });

    it.each([
      ["announced", post("", "").replace("Content-Length: 0", "Content-Length: 1000001")],
      [
        "in chunks",
        `POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nf4241\r\n${"x".repeat(1_000_001)}\r\n0\r\n\r\n`,
      ],
    ])("that is too large is refused, %s, and ends the connection", async (_, text) => {
      const { client, application } = await enter();
      client.send(text);
      expect(await client.next("POST")).toEqual({
        status: 413,
        headers: { connection: "close", "content-length": "9" },
        body: "too-large",
      });
      expect(await client.rest()).toBe("");
      expect([application.bodyRefusals, application.inside]).toEqual([["too-large"], 0]);
    });

    it("counts, with its head, against what a connection may hold", async () => {
      const { client, application } = await enter({ maxBufferBytes: 1000 });
      client.send(post("x".repeat(990)));
      expect((await client.next()).status).toBe(413);
      expect(application.bodyRefusals).toEqual(["too-large"]);
    });

    it.each(["reset", "end"] as const)("that is cut off (%s) is told, and its place is free", async (how) => {
      const { client, application } = await enter();
      client.send(post("half").slice(0, -2));
      await waitFor(() => application.inside === 1);
      if (how === "reset") client.raw.socket.resetAndDestroy();
      else client.raw.socket.end();
      await waitFor(() => application.inside === 0);
      expect(application.bodyRefusals).toEqual(["aborted"]);
      client.raw.socket.destroy();
    });
  });

  describe("an answer", () => {
    it("has a length, a date, and the application's fields as they are", async () => {
      const { client, application } = await enter();
      const headers = { "X-Case": "\u00e4 ; b", "set-cookie": "a=b; Path=/", "content-type": "text/plain" };
      application.handlers.set("/a", (_, sink) => sink.respond(201, headers, Buffer.from("\u00e4\u20ac")));
      client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
      expect(await client.next()).toEqual({
        status: 201,
        headers: {
          "content-length": "5",
          "content-type": "text/plain",
          "set-cookie": "a=b; Path=/",
          "x-case": "\u00e4 ; b",
        },
        body: Buffer.from("\u00e4\u20ac").toString("latin1"),
      });
      expect(client.raw.text()).toMatch(/\r\ndate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/i);
    });

    it.each([
      ["GET", 200, "hello", { "content-length": "5" }, "hello"],
      ["GET", 200, undefined, { "content-length": "0" }, ""],
      ["HEAD", 200, "hello", { "content-length": "5" }, ""],
      ["POST", 202, undefined, { "content-length": "0" }, ""],
      ["GET", 204, "no", {}, ""],
      ["GET", 304, "no", {}, ""],
      ["HEAD", 404, "gone", { "content-length": "4" }, ""],
    ] as const)("to %s with %d and %j", async (method, status, body, headers, expected) => {
      const { client, application } = await enter();
      application.handlers.set("/a", (_, sink) => sink.respond(status, {}, body));
      const request = `${method} /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`;
      client.send(request + request);
      for (let count = 0; count < 2; count++)
        expect(await client.next(method)).toEqual({ status, headers, body: expected });
      expect(client.unread).toBe("");
    });

    it.each([
      ["a line break in a value", { "x-a": "b\r\nx-c: d" }],
      ["a bare line feed in a value", { "x-a": "b\nx-c: d" }],
      ["NUL in a value", { "x-a": "b\0" }],
      ["a character beyond latin1 in a value", { "x-a": "\u20ac" }],
      ["a space in a name", { "x a": "b" }],
      ["no name", { "": "b" }],
    ])("that cannot be written (%s) ends its connection and nothing else", async (_, headers) => {
      const { client, application, connect } = await enter();
      application.handlers.set("/bad", (_request, sink) => sink.respond(200, headers, "x"));
      application.handlers.set("/stream", (_request, sink) => {
        sink.open(200, headers);
        sink.write("x");
      });
      const [streamed, healthy] = [await connect(), await connect()];
      client.send("GET /bad HTTP/1.1\r\nHost: a\r\n\r\n");
      streamed.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
      expect([await client.rest(), await streamed.rest()]).toEqual(["", ""]);
      healthy.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
      expect((await healthy.next()).status).toBe(200);
      await waitFor(() => application.inside === 0);
    });

    it("is the last one where the application says so", async () => {
      const { client, application } = await enter();
      application.handlers.set("/a", (_, sink) => sink.respond(400, { connection: "close" }, "no"));
      client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
      const headers = { connection: "close", "content-length": "2" };
      expect(await client.next()).toEqual({ status: 400, headers, body: "no" });
      expect(await client.rest()).toBe("");
    });
  });

  describe("a connection", () => {
    it.each(["close", "Close", "keep-alive, close"])("ends with the request that says %j", async (value) => {
      const { client, application } = await enter();
      client.send(`GET /a HTTP/1.1\r\nHost: a\r\nConnection: ${value}\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect((await client.next()).headers.connection).toBe("close");
      expect(await client.rest()).toBe("");
      expect(application.heads.map(({ path }) => path)).toEqual(["/a"]);
    });

    it("that has been asked for its last answer gives it, whatever comes behind", async () => {
      const { client, application } = await enter();
      let answer: (() => void) | undefined;
      application.handlers.set("/late", (_, sink) => {
        answer = () => sink.respond(200, {}, "late");
      });
      client.send("GET /late HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n");
      await waitFor(() => answer !== undefined);
      answer?.();
      expect((await client.next()).body).toBe("late");
      expect([await client.rest(), application.heads.length]).toEqual(["", 1]);
    });

    it("of HTTP/1.0 ends with its first answer, and needs no Host", async () => {
      const { client, application } = await enter();
      application.handlers.set("/a", (_, sink) => sink.respond(200, {}, "hello"));
      client.send("GET /a HTTP/1.0\r\n\r\n");
      const headers = { connection: "close", "content-length": "5" };
      expect(await client.next()).toEqual({ status: 200, headers, body: "hello" });
      expect(await client.rest()).toBe("");
    });

    it("of HTTP/1.0 gets a stream without chunks", async () => {
      const { client, application } = await enter();
      application.handlers.set("/a", (_, sink) => {
        sink.open(200, {});
        sink.write("one ");
        sink.write("two");
        sink.end();
      });
      client.send("GET /a HTTP/1.0\r\n\r\n");
      await client.raw.closed;
      expect(await client.next()).toEqual({ status: 200, headers: { connection: "close" }, body: "one two" });
    });

    it("is kept, and gives the answers in the order of the requests", async () => {
      const { client, application } = await enter();
      const late: (() => void)[] = [];
      application.handlers.set("/late", ({ body }, sink) => late.push(() => sink.respond(200, {}, body)));
      const request = (path: string) =>
        `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${path.length}\r\n\r\n${path}`;
      client.send(`${request("/late")}${request("/a")}GET /b HTTP/1.1\r\nHost: a\r\n\r\n${request("/late")}`);
      await waitFor(() => late.length > 0);
      expect(client.unread).toBe("");
      late[0]?.();
      expect((await client.next()).body).toBe("/late");
      expect(JSON.parse((await client.next()).body)).toMatchObject({ path: "/a", body: "/a" });
      expect(JSON.parse((await client.next()).body)).toMatchObject({ path: "/b", body: "" });
      await waitFor(() => late.length === 2);
      late[1]?.();
      expect((await client.next()).body).toBe("/late");
      expect([client.unread, application.inside]).toEqual(["", 0]);
    });

    it("is closed when nothing comes on it", async () => {
      const { client } = await enter({ keepAliveMs: 100 });
      client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
      expect((await client.next()).status).toBe(200);
      expect(await client.rest()).toBe("");
    });

    it.each([
      ["head", "GET / HTTP/1.1\r\nHost:"],
      ["body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx"],
    ])("does not wait for the rest of a %s for ever", async (_, text) => {
      const { client, application } = await enter({ headTimeoutMs: 100, bodyTimeoutMs: 100 });
      client.send(text);
      expect((await client.next()).status).toBe(408);
      expect(await client.rest()).toBe("");
      await waitFor(() => application.inside === 0);
    });
  });

  describe("a refusal", () => {
    const REFUSED = { status: 503, headers: { "content-length": "16", "retry-after": "1" }, body: '{"refused":true}' };
    const head = (length: number) => `POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;

    it("is given on the head, and costs a small body nothing but itself", async () => {
      const { client, application } = await enter();
      application.refused = true;
      client.send(head(60_000));
      expect(await client.next()).toEqual(REFUSED);
      application.refused = false;
      client.send(`${"x".repeat(60_000)}${head(3)}abc`);
      expect(JSON.parse((await client.next()).body)).toMatchObject({ path: "/a", body: "abc" });
      expect([application.heads.length, application.inside]).toEqual([2, 0]);
    });

    it("of a large body ends the connection, and the client sees it", async () => {
      const { client, application } = await enter();
      application.refused = true;
      client.send(head(900_000) + "x".repeat(1000));
      expect(await client.next()).toEqual({ ...REFUSED, headers: { connection: "close", ...REFUSED.headers } });
      expect([await client.rest(), application.bodyRefusals]).toEqual(["", []]);
    });

    it("to HEAD has no body", async () => {
      const { client, application } = await enter();
      application.refused = true;
      client.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
      expect(await client.next("HEAD")).toEqual({ ...REFUSED, body: "" });
      expect(client.unread).toBe("");
    });
  });
});

/** Arguments of REST tools as requests: whatever a caller sends, what arrives at a real server are the same arguments, in their places. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RestOperation, type RestParameter, restOperation } from "../../../gateway/upstreams/index.ts";
import { holder, message, room, send, target } from "./harness.ts";

type Arrived = { method: string; url: string; headers: Record<string, unknown>; body: string };

let server: Server;
let base: string;
let arrived: Arrived[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url = "", headers } = request;
      if (method !== "HEAD") arrived.push({ method, url, headers, body: Buffer.concat(chunks).toString("latin1") });
      response.setHeader("content-type", "application/json");
      response.end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function parameter(argument: string, where: RestParameter["in"], more: Partial<RestParameter> = {}): RestParameter {
  const style = where === "path" || where === "header" ? "simple" : "form";
  return { argument, in: where, name: argument, style, explode: false, ...more };
}

const OPEN = { type: "object" };

/** Calls a tool of this operation; the arguments are raw JSON. */
async function call(operation: RestOperation, raw: string, headers: Record<string, string> = {}) {
  arrived = [];
  const definition = JSON.stringify({ name: "t", inputSchema: OPEN });
  const stored = { name: "t", definition, operation: JSON.stringify(restOperation.parse(operation)) };
  const upstreams = room({ rest: { tools: async () => [stored], maxTextLength: 1000 } });
  const to = target(base, { transport: "rest", headers });
  const asked = message(1, "tools/call", {});
  const body = Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":${raw}}}`);
  const { messages, fault } = await send(upstreams, to, holder(), { ...asked, body });
  await upstreams.close();
  if (fault !== undefined) throw fault;
  const { result } = JSON.parse(messages[0] ?? "{}");
  return { result, request: arrived[0] };
}

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.string({ maxLength: 30 }),
  fc.constantFrom(
    "..",
    ".",
    "../x",
    "a/../b",
    "%2e%2e",
    "..%2f",
    "a b",
    "a&b=c",
    "#",
    "?q=1",
    "\r\nx: y",
    "é/ü",
    "..;/",
    "\\..\\x",
  ),
);

describe("the place of an argument", () => {
  it("is never left: any text in path and query arrives as it is, or nothing is sent", async () => {
    const operation: RestOperation = {
      method: "GET",
      path: "/pets/{id}/owners/{owner}",
      parameters: [
        parameter("id", "path"),
        parameter("owner", "path"),
        parameter("q", "query"),
        parameter("r", "query", { allowReserved: true }),
      ],
      query: "fixed=1",
    };
    await fc.assert(
      fc.asyncProperty(text, text, text, text, async (id, owner, q, r) => {
        const { result, request } = await call(operation, JSON.stringify({ id, owner, q, r }));
        if (request === undefined) {
          const parts = [id, owner].flatMap((one) => one.split(/[/\\]/));
          const isDotted = parts.some((one) => /^(\.|%2e){1,2}($|;|%3b)/i.test(one));
          expect(result.isError).toBe(true);
          expect(isDotted || id === "" || owner === "").toBe(true);
          return;
        }
        const end = request.url.indexOf("?");
        const [path, query] = [request.url.slice(0, end), request.url.slice(end + 1)];
        const [, ...segments] = path.split("/");
        expect(segments.map(decodeURIComponent)).toEqual(["api", "pets", id, "owners", owner]);
        expect([...new URLSearchParams(query)].map(([key]) => key)).toEqual(["fixed", "q", "r"]);
        expect(
          query
            .split("&")
            .slice(1)
            .map((pair) => decodeURIComponent(pair.slice(2))),
        ).toEqual([q, r]);
        // A reader that resolves dots first finds the same path.
        expect(new URL(request.url, base).pathname).toBe(path);
      }),
      { numRuns: 150 },
    );
  });

  it("holds in headers and cookies: what they cannot carry is refused by name", async () => {
    const operation: RestOperation = {
      method: "GET",
      path: "/",
      parameters: [parameter("x-one", "header"), parameter("c", "cookie"), parameter("d", "cookie")],
    };
    await fc.assert(
      fc.asyncProperty(text, text, text, async (one, c, d) => {
        const { result, request } = await call(operation, JSON.stringify({ "x-one": one, c, d }), { cookie: "own=1" });
        if (request === undefined) {
          expect(result.content[0].text).toContain("/x-one: goes into a header");
          expect(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(one)).toBe(false);
          return;
        }
        const cookies = String(request.headers.cookie)
          .split("; ")
          .map((pair) => decodeURIComponent(pair.replace(/^[^=]*=/, "")));
        expect([request.headers["x-one"], ...cookies]).toEqual([one, "1", c, d]);
      }),
      { numRuns: 100 },
    );
  });

  it("is a JSON body byte for byte, or its members", async () => {
    const raw = '{"n":12345678901234567890,"f":1.0,"e":1e400,"s":"\\u00e9","deep":{"a":[1.10]}}';
    const whole: RestOperation = {
      method: "PATCH",
      path: "/x",
      parameters: [parameter("n", "query")],
      body: { kind: "json", mediaType: "application/merge-patch+json", argument: "body" },
    };
    const one = await call(whole, `{"n":1.50,"body":${raw}}`);
    expect(one.request).toMatchObject({ method: "PATCH", url: "/api/x?n=1.50", body: raw });
    expect(one.request?.headers["content-type"]).toBe("application/merge-patch+json");
    const { body: _, ...rest } = whole;
    const members: RestOperation = { ...rest, method: "POST", body: { kind: "json", mediaType: "application/json" } };
    const two = await call(members, raw);
    expect(two.request?.url).toBe("/api/x?n=12345678901234567890");
    expect(two.request?.body).toBe('{"f":1.0,"e":1e400,"s":"\\u00e9","deep":{"a":[1.10]}}');
    expect((await call(members, "{}")).request?.body).toBe("{}");
  });

  it("is a field of a form: any names and values arrive", async () => {
    const form: RestOperation = {
      ...{ method: "POST", path: "/f", parameters: [] },
      body: { kind: "form", mediaType: "application/x-www-form-urlencoded", argument: "body" },
    };
    const fields = fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), text, { maxKeys: 5 });
    await fc.assert(
      fc.asyncProperty(fields, async (values) => {
        const { request } = await call(form, JSON.stringify({ body: values }));
        expect([...new URLSearchParams(request?.body)]).toEqual(Object.entries(values));
      }),
      { numRuns: 80 },
    );
  });

  it("is a part of a multipart body: a real reader finds the same text and bytes", async () => {
    const upload: RestOperation = {
      ...{ method: "POST", path: "/f", parameters: [] },
      body: {
        ...{ kind: "multipart", mediaType: "multipart/form-data", argument: "body" },
        fields: { file: { file: "image/png" }, meta: {} },
      },
    };
    await fc.assert(
      fc.asyncProperty(text, fc.uint8Array({ maxLength: 200 }), async (note, bytes) => {
        const file = Buffer.from(bytes).toString("base64");
        const { request } = await call(upload, JSON.stringify({ body: { note, file, meta: { a: 1 }, none: null } }));
        const type = String(request?.headers["content-type"]);
        const read = await new Response(Buffer.from(request?.body ?? "", "latin1"), {
          headers: { "content-type": type },
        }).formData();
        expect([...read.keys()]).toEqual(["note", "file", "meta"]);
        expect([read.get("note"), read.get("meta")]).toEqual([note, '{"a":1}']);
        const got = read.get("file");
        if (!(got instanceof File)) throw new Error("no file");
        expect([got.type, Buffer.from(await got.arrayBuffer())]).toEqual(["image/png", Buffer.from(bytes)]);
      }),
      { numRuns: 60 },
    );
    const refused = await call(upload, '{"body":{"file":"***"}}');
    expect([refused.request, refused.result.content[0].text]).toEqual([
      undefined,
      "Nothing was sent: /file: has to be base64 (RFC 4648)",
    ]);
  });
});

describe("styles (OpenAPI 3.2, table of style examples)", () => {
  const value = '{"color":{"R":100,"G":200,"B":150}}';
  const list = '{"color":["blue","black","brown"]}';
  const url = async (more: Partial<RestParameter>, raw: string, where: "path" | "query" = "query") => {
    const path = where === "path" ? "/{color}" : "/";
    const { request } = await call({ method: "GET", path, parameters: [parameter("color", where, more)] }, raw);
    return request?.url.slice("/api/".length);
  };
  it.each([
    [{ style: "form", explode: false }, list, "?color=blue,black,brown"],
    [{ style: "form", explode: true }, list, "?color=blue&color=black&color=brown"],
    [{ style: "form", explode: false }, value, "?color=R,100,G,200,B,150"],
    [{ style: "form", explode: true }, value, "?R=100&G=200&B=150"],
    [{ style: "spaceDelimited", explode: false }, list, "?color=blue%20black%20brown"],
    [{ style: "pipeDelimited", explode: false }, list, "?color=blue%7Cblack%7Cbrown"],
    [{ style: "deepObject", explode: true }, value, "?color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"],
    [
      { style: "deepObject", explode: true },
      '{"color":{"a":{"b":[1.0,"x"]},"n":null}}',
      "?color%5Ba%5D%5Bb%5D%5B0%5D=1.0&color%5Ba%5D%5Bb%5D%5B1%5D=x",
    ],
    [{ style: "json", explode: false }, value, `?color=${encodeURIComponent('{"R":100,"G":200,"B":150}')}`],
    [{ style: "form", explode: true }, '{"color":[]}', ""],
    [{ style: "form", explode: true }, '{"color":null}', ""],
  ] as const)("query %j %s", async (more, raw, expected) => {
    expect(await url(more, raw)).toBe(expected);
  });
  it.each([
    [{ style: "simple", explode: false }, list, "blue,black,brown"],
    [{ style: "simple", explode: true }, value, "R=100,G=200,B=150"],
    [{ style: "simple", explode: false }, value, "R,100,G,200,B,150"],
    [{ style: "label", explode: true }, list, ".blue.black.brown"],
    [{ style: "label", explode: false }, list, ".blue,black,brown"],
    [{ style: "label", explode: true }, value, ".R=100.G=200.B=150"],
    [{ style: "matrix", explode: false }, list, ";color=blue,black,brown"],
    [{ style: "matrix", explode: true }, list, ";color=blue;color=black;color=brown"],
    [{ style: "matrix", explode: true }, value, ";R=100;G=200;B=150"],
    [{ style: "matrix", explode: false }, '{"color":"blue"}', ";color=blue"],
  ] as const)("path %j %s", async (more, raw, expected) => {
    expect(await url(more, raw, "path")).toBe(expected);
  });

  it("an object that is spread out cannot pass for another parameter", async () => {
    const operation: RestOperation = {
      method: "GET",
      path: "/",
      parameters: [parameter("filter", "query", { explode: true }), parameter("token", "query")],
      query: "v=1",
    };
    for (const key of ["token", "v"]) {
      const { result, request } = await call(operation, JSON.stringify({ filter: { [key]: "mine" } }));
      expect(request).toBeUndefined();
      expect(result.content[0].text).toBe(
        `Nothing was sent: /filter: may have no member ${key}, which is a parameter of its own`,
      );
    }
  });
});

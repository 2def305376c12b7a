/** Ways on which a client may speak to the gateway: both engines, both versions of HTTP, and what the strict reader gives away. */
import type { EngineName } from "../../gateway/engine/index.ts";
import { http1Client } from "./engine/http1-client.ts";
import { ask, http2Session } from "./engine/http2-client.ts";

export type Asked = {
  readonly method: string;
  readonly path: string;
  /** Names in lower case; `host` among them where it is not the address itself. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
};

export type Told = {
  readonly status: number;
  /** Without those that say how the message is framed and when it was made. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/** One connection that is kept. */
export type Conversation = {
  ask(asked: Asked): Promise<Told>;
  /** All bytes that came, where they can be read. */
  raw?(): string;
  close(): void;
};

export type Way = {
  readonly title: string;
  readonly engine: EngineName;
  connect(port: number): Promise<Conversation>;
};

/** How a request is put on the wire: its head, and its body as it follows. */
type Spelling = (asked: Asked) => { readonly fields: string; readonly body: string; readonly isAwaited: boolean };

const plainly: Spelling = ({ body }) => ({
  fields: body === undefined ? "" : `Content-Length: ${Buffer.byteLength(body)}\r\n`,
  body: body ?? "",
  isAwaited: false,
});

/** In ways that the strict reader does not know: a body in chunks, a value beyond ASCII. */
const strangely: Spelling = ({ body }) =>
  body === undefined
    ? { fields: "X-Strange: \u00e4\r\n", body: "", isAwaited: false }
    : {
        fields: "Transfer-Encoding: chunked\r\n",
        body: `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n`,
        isAwaited: false,
      };

const patiently: Spelling = (asked) => {
  const { fields, body } = plainly(asked);
  return { fields: `${fields}Expect: 100-continue\r\n`, body, isAwaited: asked.body !== undefined };
};

const FRAMING: ReadonlySet<string> = new Set(["connection", "transfer-encoding", "content-length", "date", ":status"]);

function told(status: number, headers: Readonly<Record<string, unknown>>, body: string): Told {
  const kept = Object.entries(headers).filter(([name]) => !FRAMING.has(name));
  return { status, headers: Object.fromEntries(kept.map(([name, value]) => [name, String(value)])), body };
}

function http1(title: string, engine: EngineName, spell: Spelling): Way {
  return {
    title,
    engine,
    async connect(port) {
      const client = await http1Client(port);
      return {
        async ask(asked) {
          const { fields, body, isAwaited } = spell(asked);
          const headers = { host: `127.0.0.1:${port}`, ...asked.headers };
          const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
          const head = `${asked.method} ${asked.path} HTTP/1.1\r\n${lines.join("")}${fields}\r\n`;
          client.send(Buffer.from(isAwaited ? head : head + body, "latin1"));
          let answer = await client.next(asked.method);
          if (answer.status === 100) {
            client.send(Buffer.from(body, "latin1"));
            answer = await client.next(asked.method);
          }
          return told(answer.status, answer.headers, answer.body);
        },
        raw: () => client.raw.text(),
        close: () => void client.raw.socket.destroy(),
      };
    },
  };
}

function http2(title: string, engine: EngineName): Way {
  return {
    title,
    engine,
    async connect(port) {
      const session = await http2Session(`http://127.0.0.1:${port}`);
      return {
        async ask({ method, path, headers: { host, ...headers }, body }) {
          const authority = host === undefined ? {} : { ":authority": host };
          const answer = await ask(session, { ":method": method, ":path": path, ...authority, ...headers }, body);
          return told(answer.status, answer.headers, answer.text);
        },
        close: () => session.destroy(),
      };
    },
  };
}

export const ways: readonly Way[] = [
  http1("fastify", "fastify", plainly),
  http1("fastify, body in chunks", "fastify", strangely),
  http2("fastify, HTTP/2", "fastify"),
  http1("bounded", "bounded", plainly),
  http1("bounded, handed over", "bounded", strangely),
  http1("bounded, handed over because it waits to be asked for its body", "bounded", patiently),
  http2("bounded, HTTP/2", "bounded"),
];

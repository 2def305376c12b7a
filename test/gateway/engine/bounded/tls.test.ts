/** The bounded engine over TLS: its reads, pauses and hand-over are those of a socket that is none of the kernel's. */
import { connect } from "node:tls";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { missing, titled } from "../../../harness/index.ts";
import { type Authority, makeAuthority, type Pair, SERVER_NAMES } from "../certificates.ts";
import { engineStarter } from "../harness.ts";

const reason = missing("openssl");
const engines = engineStarter();
afterEach(() => engines.closeAll());

let authority: Authority;
let server: Pair;
beforeAll(async () => {
  if (reason !== undefined) return;
  authority = await makeAuthority();
  server = authority.issue("server", "/CN=gateway", [SERVER_NAMES]);
});
afterAll(() => authority?.remove());

/** Sends the pieces one after the other and answers with all that came until the connection ended. */
function exchange(port: number, pieces: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ port, host: "127.0.0.1", ca: authority.ca, ALPNProtocols: ["http/1.1"] }, async () => {
      for (const piece of pieces) await new Promise((sent) => socket.write(piece, sent));
    });
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("end", () => {
      socket.destroy();
      resolve(Buffer.concat(chunks).toString());
    });
    socket.on("error", reject);
  });
}

async function start() {
  const { certFile, keyFile } = server;
  const tls = { certFile, keyFile, clientCaFile: undefined, clientCertificate: "none" } as const;
  return engines.start("bounded", { tls });
}

const call = (path: string, body: string, more = "") =>
  `POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;
const LAST = call("/last", "", "Connection: close\r\n");

describe.skipIf(reason !== undefined)(titled("the bounded engine over TLS", reason), () => {
  it("serves what is cut anywhere, one request after the other", async () => {
    const { port, application } = await start();
    const text = call("/a", "one") + call("/b", "two") + LAST;
    for (let cut = 0; cut < text.length; cut += 7) await exchange(port, [text.slice(0, cut), text.slice(cut)]);
    const rounds = Math.ceil(text.length / 7);
    expect(application.heads.map(({ path }) => path)).toEqual(
      Array.from({ length: rounds }, () => ["/a", "/b", "/last"]).flat(),
    );
    expect(application.inside).toBe(0);
  });

  it("hands over what its reader does not know, and loses no byte of it", async () => {
    const { port, application } = await start();
    const chunked = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    const text = call("/a", "one") + chunked + LAST;
    for (let cut = 0; cut < text.length; cut += 7) {
      const got = await exchange(port, [text.slice(0, cut), text.slice(cut)]);
      expect(got.match(/"path":"\/\w+"|"body":"\w*"/g)).toEqual([
        ...['"path":"/a"', '"body":"one"'],
        ...['"path":"/c"', '"body":"abc"'],
        ...['"path":"/last"', '"body":""'],
      ]);
    }
    expect(application.inside).toBe(0);
  });

  it("leaves what is sent ahead where it is until it is its turn", async () => {
    const { port, application } = await start();
    let answer: (() => void) | undefined;
    application.handlers.set("/slow", (_, sink) => {
      answer = () => sink.respond(200, {}, "slow");
    });
    const count = 3000;
    const got = exchange(port, [call("/slow", ""), call("/n", "x".repeat(200)).repeat(count) + LAST]);
    await expect.poll(() => answer !== undefined).toBe(true);
    expect(application.heads).toHaveLength(1);
    answer?.();
    expect((await got).match(/"path":"\/n"/g)).toHaveLength(count);
    expect(application.heads).toHaveLength(count + 2);
  });
});

/** TLS on both engines: the files, what is agreed on, who clients are, and certificates that change. */
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { chmod, mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { type Agent, request } from "node:https";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import WebSocket from "ws";
import type { TlsFiles } from "../../../gateway/engine/index.ts";
import { missing, titled, waitFor } from "../../harness/index.ts";
import { type Authority, makeAuthority, type Pair, SERVER_NAMES } from "./certificates.ts";
import { engineNames, engineStarter, rawConnection } from "./harness.ts";
import { ask, http2Session } from "./http2-client.ts";

const reason = missing("openssl");
const engines = engineStarter();
afterEach(() => engines.closeAll());

let authority: Authority;
let stranger: Authority;
let server: Pair;
let client: Pair;

beforeAll(async () => {
  if (reason !== undefined) return;
  authority = await makeAuthority();
  stranger = await makeAuthority("stranger");
  server = authority.issue("server", "/CN=gateway", [SERVER_NAMES]);
  client = authority.issue("client", "/O=x/CN=ann", ["subjectAltName=URI:spiffe://a.example/ns/b,email:ann@a.example"]);
});
afterAll(async () => {
  await authority?.remove();
  await stranger?.remove();
});

function files(changes: Partial<TlsFiles> = {}): TlsFiles {
  return {
    certFile: server.certFile,
    keyFile: server.keyFile,
    clientCaFile: undefined,
    clientCertificate: "none",
    ...changes,
  };
}

function mutual(clientCertificate: "optional" | "required"): TlsFiles {
  return files({ clientCaFile: authority.caFile, clientCertificate });
}

type Told = { readonly path: string; readonly client?: Record<string, unknown> };

/** Over HTTP/1.1, on a connection of its own. */
function get(port: number, pair?: Pair): Promise<{ readonly status: number; readonly text: string; told(): Told }> {
  return new Promise((resolve, reject) => {
    const identity = pair === undefined ? {} : { cert: pair.cert, key: pair.key };
    const agent: Agent | false = false;
    const outgoing = request(
      { port, host: "127.0.0.1", path: "/x", ca: authority.ca, agent, ...identity },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (chunk: string) => {
          text += chunk;
        });
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text, told: () => JSON.parse(text) as Told }));
        answer.on("error", reject);
      },
    );
    outgoing.on("error", reject);
    outgoing.end();
  });
}

/** Through a handshake, whatever the server thinks of it. */
function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", ca: authority.ca, ...options }, () => {
      socket.on("error", () => undefined);
      resolve(socket);
    });
    socket.once("error", reject);
  });
}

describe.skipIf(reason !== undefined).each(engineNames)(titled("TLS (%s)", reason), (name) => {
  it.each([
    ["auto", ["h2", "http/1.1"], "h2"],
    ["auto", ["http/1.1"], "http/1.1"],
    ["auto", undefined, false],
    ["1", ["h2", "http/1.1"], "http/1.1"],
    ["2", ["h2", "http/1.1"], "h2"],
  ] as const)("HTTP_VERSIONS=%s agrees with an offer of %j on %s", async (httpVersions, offer, agreed) => {
    const { port } = await engines.start(name, { tls: files(), httpVersions });
    const socket = await handshake(port, offer === undefined ? {} : { ALPNProtocols: [...offer] });
    expect(socket.alpnProtocol).toBe(agreed);
    socket.destroy();
  });

  it("refuses an offer of nothing that it speaks, and names it", async () => {
    const { port, warnings } = await engines.start(name, { tls: files(), httpVersions: "1" });
    await expect(handshake(port, { ALPNProtocols: ["h2"] })).rejects.toThrow(/no application protocol/i);
    await waitFor(() => warnings.length === 1);
    expect(warnings[0]?.fields).toEqual({
      reason: "the client offered no protocol that is spoken here",
      code: "ERR_SSL_NO_APPLICATION_PROTOCOL",
      remote: "127.0.0.1",
      times: 1,
    });
  });

  it("serves HTTP/1.1, HTTP/2 and WebSockets", async () => {
    const { port } = await engines.start(name, { tls: files() });
    expect((await get(port)).told()).toMatchObject({ path: "/x" });
    const session = await http2Session(`https://127.0.0.1:${port}`, { ca: authority.ca });
    expect(JSON.parse((await ask(session, { ":path": "/y" })).text)).toMatchObject({ path: "/y" });
    session.close();
    const socket = new WebSocket(`wss://127.0.0.1:${port}/ws`, { ca: authority.ca });
    const echoed = await new Promise<string>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("message", (data) => resolve(String(data)));
      socket.once("open", () => socket.send("hello"));
    });
    expect(echoed).toBe("hello");
    socket.terminate();
  });

  it("speaks no version before TLS 1.2", async () => {
    const { port } = await engines.start(name, { tls: files() });
    await expect(
      handshake(port, { maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "ALL@SECLEVEL=0" }),
    ).rejects.toThrow();
    const socket = await handshake(port, { maxVersion: "TLSv1.2" });
    expect(socket.getProtocol()).toBe("TLSv1.2");
    socket.destroy();
  });

  it.each(["", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01"])(
    "cuts a connection that does not finish its handshake, after %j",
    async (first) => {
      const { port, application } = await engines.start(name, { tls: files(), headTimeoutMs: 200 });
      const raw = await rawConnection(port, first);
      await raw.closed;
      expect(application.heads).toEqual([]);
    },
  );

  it("tells a client without TLS apart", async () => {
    const { port, warnings } = await engines.start(name, { tls: files() });
    const raw = await rawConnection(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await raw.closed;
    expect(warnings).toEqual([
      {
        event: "a TLS handshake failed",
        fields: {
          reason: "the client does not speak TLS",
          code: "ERR_SSL_HTTP_REQUEST",
          remote: "127.0.0.1",
          times: 1,
        },
      },
    ]);
  });

  it("tells the same failure of many once", async () => {
    const { port, warnings } = await engines.start(name, { tls: files() });
    for (let n = 0; n < 5; n++) await (await rawConnection(port, "GET / HTTP/1.1\r\n\r\n")).closed;
    expect(warnings).toHaveLength(1);
  });
});

describe.skipIf(reason !== undefined).each(engineNames)(titled("client certificates (%s)", reason), (name) => {
  const known = () => ({
    commonName: "ann",
    names: ["URI:spiffe://a.example/ns/b", "email:ann@a.example"],
    fingerprint: new X509Certificate(client.cert).fingerprint256.replaceAll(":", "").toLowerCase(),
    expiresAt: new X509Certificate(client.cert).validToDate.getTime(),
  });

  it.each(["optional", "required"] as const)("hands over who the client is (%s)", async (mode) => {
    const { port } = await engines.start(name, { tls: mutual(mode) });
    expect((await get(port, client)).told().client).toEqual(known());
    const session = await http2Session(`https://127.0.0.1:${port}`, {
      ca: authority.ca,
      cert: client.cert,
      key: client.key,
    });
    expect(JSON.parse((await ask(session, {})).text)).toMatchObject({ client: known() });
    session.close();
  });

  it("hands it over with an upgrade", async () => {
    const { port, application } = await engines.start(name, { tls: mutual("required") });
    const socket = new WebSocket(`wss://127.0.0.1:${port}/ws`, {
      ca: authority.ca,
      cert: client.cert,
      key: client.key,
    });
    await new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once("open", resolve);
    });
    expect(application.heads.map((head) => head.client)).toEqual([known()]);
    socket.terminate();
  });

  it("asks for none where none is wanted", async () => {
    const { port } = await engines.start(name, { tls: files({ clientCaFile: authority.caFile }) });
    expect((await get(port, client)).told().client).toBeUndefined();
  });

  const bad: Record<string, { readonly pair: () => Pair | undefined; readonly code: string; readonly why: string }> = {
    "of another authority": {
      pair: () => stranger.issue("client", "/CN=ann", ["subjectAltName=email:ann@a.example"]),
      code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      why: "the certificate of the client is of another authority",
    },
    expired: {
      pair: () => authority.issue("expired", "/CN=ann", ["subjectAltName=email:ann@a.example"], -1),
      code: "CERT_HAS_EXPIRED",
      why: "the certificate of the client has expired",
    },
    "for servers": {
      pair: () => authority.issue("for-servers", "/CN=ann", ["extendedKeyUsage=serverAuth"]),
      code: "INVALID_PURPOSE",
      why: "the certificate is not one for clients",
    },
    missing: { pair: () => undefined, code: "NO_CERTIFICATE", why: "the client sent no certificate" },
  };

  it.each(Object.keys(bad))("required: says no, and why, to a certificate that is %s", async (kind) => {
    const { pair, code, why } = bad[kind] ?? expect.unreachable();
    const { port, application, warnings } = await engines.start(name, { tls: mutual("required") });
    const answer = await get(port, pair());
    expect([answer.status, answer.text]).toEqual([400, `TLS: ${why}\n`]);
    const identity = pair();
    const session = await http2Session(`https://127.0.0.1:${port}`, { ca: authority.ca, ...identity });
    expect((await ask(session, {})).status).toBe(0);
    expect(application.heads).toEqual([]);
    const fields = { reason: why, code, remote: "127.0.0.1", times: 1 };
    expect(warnings).toEqual([{ event: "a TLS handshake failed", fields }]);
  });

  it.each(Object.keys(bad))("optional: serves a client without an identity whose certificate is %s", async (kind) => {
    const { pair, code } = bad[kind] ?? expect.unreachable();
    const { port, warnings } = await engines.start(name, { tls: mutual("optional") });
    const answer = await get(port, pair());
    expect([answer.status, answer.told().client]).toEqual([200, undefined]);
    expect(warnings.map(({ fields }) => fields.code)).toEqual(kind === "missing" ? [] : [code]);
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)("gives a resumed session no more than it had (%s)", async (maxVersion) => {
    const { port } = await engines.start(name, { tls: mutual("optional") });
    const told = async (socket: TLSSocket) => {
      let text = "";
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.write("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      await new Promise((resolve) => socket.once("close", resolve));
      return (JSON.parse(text.slice(text.indexOf("{"))) as Told).client;
    };
    const resumed = async (pair: Pair | undefined) => {
      const identity = pair === undefined ? {} : { cert: pair.cert, key: pair.key };
      const options = { ...identity, maxVersion, ALPNProtocols: ["http/1.1"] };
      const first = await handshake(port, options);
      // In TLS 1.2 the ticket is there with the handshake, in TLS 1.3 it comes after it, with what else is read.
      const ticket = new Promise<Buffer | undefined>((resolve) => {
        if (maxVersion === "TLSv1.2") resolve(first.getSession());
        else first.once("session", resolve);
      });
      await told(first);
      const second = await handshake(port, { ...options, session: await ticket });
      return { isReused: second.isSessionReused(), client: await told(second) };
    };
    expect(await resumed(undefined)).toEqual({ isReused: true, client: undefined });
    expect(await resumed(client)).toEqual({ isReused: true, client: known() });
    const other = stranger.issue("resumes", "/CN=ann", ["subjectAltName=email:ann@a.example"]);
    expect((await resumed(other)).client).toBeUndefined();
  });
});

describe.skipIf(reason !== undefined).each(engineNames)(titled("TLS files (%s)", reason), (engine) => {
  const refusal = async (tls: TlsFiles) => {
    const error: unknown = await engines.start(engine, { tls }).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    return error instanceof Error && "code" in error ? [error.code, error.message] : error;
  };
  const written = async (name: string, content: string | Buffer) => {
    const path = join(authority.directory, name);
    await writeFile(path, content);
    return path;
  };

  it("names a file that is not there", async () => {
    expect(await refusal(files({ certFile: "/nowhere/a.pem" }))).toEqual([
      "MCPS_TLS_FILE",
      "/nowhere/a.pem cannot be used (TLS_CERT_FILE): ENOENT: no such file or directory, open '/nowhere/a.pem'",
    ]);
  });

  it.each([
    ["certFile", "TLS_CERT_FILE", "it holds no PEM certificate"],
    ["keyFile", "TLS_KEY_FILE", "it holds no private key in PEM that can be read without a passphrase"],
    ["clientCaFile", "TLS_CLIENT_CA_FILE", "it holds no PEM certificate"],
  ] as const)("names a %s that holds something else", async (field, setting, why) => {
    const path = await written("other.txt", "something else");
    const tls = files({ clientCaFile: authority.caFile, clientCertificate: "required", [field]: path });
    expect(await refusal(tls)).toEqual(["MCPS_TLS_FILE", `${path} cannot be used (${setting}): ${why}`]);
  });

  it("names a key of another certificate, an expired certificate, an expired authority", async () => {
    expect(await refusal(files({ keyFile: client.keyFile }))).toEqual([
      "MCPS_TLS_FILE",
      `${client.keyFile} cannot be used (TLS_KEY_FILE): it is not the key of ${server.certFile}`,
    ]);
    const expired = authority.issue("expired-server", "/CN=gateway", [SERVER_NAMES], -1);
    const at = new X509Certificate(expired.cert).validToDate.toISOString();
    expect(await refusal(files(expired))).toEqual([
      "MCPS_TLS_FILE",
      `${expired.certFile} cannot be used (TLS_CERT_FILE): its certificate expired at ${at}`,
    ]);
    expect(await refusal(files({ clientCaFile: expired.certFile, clientCertificate: "optional" }))).toEqual([
      "MCPS_TLS_FILE",
      `${expired.certFile} cannot be used (TLS_CLIENT_CA_FILE): its certificate expired at ${at}`,
    ]);
  });

  it("takes no public authority for one that names clients", async () => {
    expect(await refusal(files({ clientCertificate: "required" }))).toEqual([
      "MCPS_TLS_FILE",
      "nothing cannot be used (TLS_CLIENT_CA_FILE): TLS_CLIENT_CERTIFICATE=required needs the file of an authority",
    ]);
  });

  it.skipIf(process.getuid?.() === 0)("names a file that may not be read", async () => {
    const path = await written("secret.key", server.key);
    await chmod(path, 0);
    expect(await refusal(files({ keyFile: path }))).toMatchObject(["MCPS_TLS_FILE", expect.stringContaining("EACCES")]);
  });

  /** The serial number of the certificate that new connections get, whichever version they speak. */
  const serial = async (port: number) => {
    const sockets = await Promise.all(
      ["http/1.1", "h2"].map((version) => handshake(port, { ALPNProtocols: [version] })),
    );
    const [one, ...others] = sockets.map((socket) => socket.getPeerX509Certificate()?.serialNumber);
    for (const socket of sockets) socket.destroy();
    return others.every((other) => other === one) ? one : "not the same";
  };
  const serialOf = ({ cert }: Pair) => new X509Certificate(cert).serialNumber;

  it("reads new files as Kubernetes swaps them, keeps open connections, and keeps the old where the new are no use", async () => {
    const root = join(authority.directory, `mounted-${engine}`);
    const put = async (version: string, pair: { readonly cert: Buffer | string; readonly key: Buffer | string }) => {
      await mkdir(join(root, version), { recursive: true });
      await writeFile(join(root, version, "tls.crt"), pair.cert);
      await writeFile(join(root, version, "tls.key"), pair.key);
      await symlink(version, join(root, "..next"));
      await rename(join(root, "..next"), join(root, "..data"));
    };
    await put("..1", server);
    await symlink("..data/tls.crt", join(root, "tls.crt"));
    await symlink("..data/tls.key", join(root, "tls.key"));
    const tls = files({ certFile: join(root, "tls.crt"), keyFile: join(root, "tls.key") });
    const { port, warnings } = await engines.start(engine, { tls });
    const session = await http2Session(`https://127.0.0.1:${port}`, { ca: authority.ca });
    expect(await serial(port)).toBe(serialOf(server));

    const second = authority.issue("second", "/CN=gateway", [SERVER_NAMES]);
    await put("..2", second);
    await waitFor(async () => (await serial(port)) === serialOf(second));
    expect([(await ask(session, {})).status, warnings]).toEqual([200, []]);
    session.close();

    await put("..3", { cert: server.cert, key: second.key });
    await waitFor(() => warnings.length === 1);
    expect(warnings).toEqual([
      {
        event: "the new TLS files cannot be used, the old ones stay in force",
        fields: {
          reason: `${tls.keyFile} cannot be used (TLS_KEY_FILE): it is not the key of ${tls.certFile}`,
        },
      },
    ]);
    expect(await serial(port)).toBe(serialOf(second));

    await put("..4", server);
    await waitFor(async () => (await serial(port)) === serialOf(server));
    expect(warnings).toHaveLength(1);
  });

  it("forgets an authority that was taken out", async () => {
    const path = await written("authorities.pem", Buffer.concat([authority.ca, stranger.ca]));
    const { port } = await engines.start(engine, { tls: files({ clientCaFile: path, clientCertificate: "required" }) });
    const guest = stranger.issue("guest", "/CN=guest", ["subjectAltName=DNS:guest.example"]);
    expect((await get(port, guest)).told().client).toMatchObject({ commonName: "guest" });
    await writeFile(path, authority.ca);
    await waitFor(async () => (await get(port, guest)).status === 400);
    expect((await get(port, client)).status).toBe(200);
  });
});

const curl = await promisify(execFile)("curl", ["--version"]).then(
  ({ stdout }) => (stdout.includes("HTTP2") ? undefined : "this curl has no HTTP/2"),
  () => "not installed: curl",
);

describe.skipIf((reason ?? curl) !== undefined).each(engineNames)(titled("curl (%s)", reason ?? curl), (name) => {
  const curls = async (...args: string[]) =>
    (await promisify(execFile)("curl", ["-sS", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", ...args]))
      .stdout;

  it("--http2 with --cert, --http1.1", async () => {
    const { port, application } = await engines.start(name, { tls: mutual("required") });
    const identity = ["--cacert", authority.caFile, "--cert", client.certFile, "--key", client.keyFile];
    expect(await curls("--http2", ...identity, `https://127.0.0.1:${port}/a`)).toBe("2 200");
    expect(await curls("--http1.1", ...identity, `https://127.0.0.1:${port}/b`)).toBe("1.1 200");
    expect(application.heads.map((head) => head.client?.commonName)).toEqual(["ann", "ann"]);
  });

  it("--http2-prior-knowledge, and --http2 with an offer to upgrade", async () => {
    const { port } = await engines.start(name);
    expect(await curls("--http2-prior-knowledge", `http://127.0.0.1:${port}/a`)).toBe("2 200");
    expect(await curls("--http2-prior-knowledge", "-d", "x=y", `http://127.0.0.1:${port}/a`)).toBe("2 200");
    expect(await curls("--http2", `http://127.0.0.1:${port}/a`)).toBe("1.1 200");
  });
});

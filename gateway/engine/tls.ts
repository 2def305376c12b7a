/** The TLS side of the listening socket: handshakes with a deadline, who the client is, certificates that change while it listens. */
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from "node:tls";
import { plainAddress } from "./client-address.ts";
import { describeClient, rememberClient } from "./client-certificate.ts";
import type { EngineOptions, TlsFiles } from "./engine.ts";
import { clientFailure, countHandshakes } from "./handshakes.ts";
import { marksOf, readTlsFiles, watchTlsFiles } from "./tls-files.ts";

/** RFC 7301; the first that both sides know is taken, in this order. */
const PROTOCOLS: Readonly<Record<EngineOptions["httpVersions"], string[]>> = {
  auto: ["h2", "http/1.1"],
  "1": ["http/1.1"],
  "2": ["h2"],
};
const LOOK_EVERY_MS = 500;

export type SecureDoor = {
  /** One more listener that is not bound yet. */
  server(): Server;
  close(): void;
};

export type SecureDoorEvents = {
  /** Through with the handshake, and who has to prove an identity has. */
  readonly connected: (socket: TLSSocket) => void;
  /** The handshake is through, and this is why nothing else follows. */
  readonly refused: (socket: TLSSocket, reason: string) => void;
};

/** Rejects with MCPS_TLS_FILE. */
export async function openSecureDoor(
  files: TlsFiles,
  options: EngineOptions,
  on: SecureDoorEvents,
): Promise<SecureDoor> {
  const servers: Server[] = [];
  const handshakes = countHandshakes(options.warn, () => performance.now());
  const marks = await marksOf(files);
  let context = await readTlsFiles(files);
  const close = watchTlsFiles(files, marks, LOOK_EVERY_MS, {
    changed: (found) => {
      context = found;
      for (const server of servers) server.setSecureContext(found);
    },
    failed: (failure) => {
      const reason = failure instanceof Error ? failure.message : String(failure);
      options.warn("the new TLS files cannot be used, the old ones stay in force", { reason });
    },
  });

  function connected(socket: TLSSocket): void {
    const failure = files.clientCertificate === "none" ? undefined : clientFailure(socket);
    const certificate = socket.getPeerX509Certificate();
    if (failure === undefined) {
      if (files.clientCertificate !== "none" && certificate !== undefined) {
        rememberClient(socket, describeClient(certificate));
      }
      on.connected(socket);
      return;
    }
    const isRequired = files.clientCertificate === "required";
    // Whoever need not have one and has none did nothing wrong.
    const reason =
      isRequired || certificate !== undefined
        ? handshakes.failed(failure, plainAddress(socket.remoteAddress ?? ""))
        : failure;
    if (isRequired) on.refused(socket, reason);
    else on.connected(socket);
  }

  return {
    server() {
      const server = createServer(serverOptions(context, files, options), connected);
      server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
        handshakes.failed(error.code ?? error.message, plainAddress(socket.remoteAddress ?? ""));
        socket.destroy();
      });
      servers.push(server);
      return server;
    },
    close,
  };
}

/**
 * Certificates of clients are judged by us after the handshake instead of by Node during it: Node would cut the connection without
 * telling why, neither us nor the client.
 */
function serverOptions(context: SecureContextOptions, files: TlsFiles, options: EngineOptions) {
  return {
    ...context,
    ALPNProtocols: PROTOCOLS[options.httpVersions],
    requestCert: files.clientCertificate !== "none",
    rejectUnauthorized: false,
    handshakeTimeout: options.headTimeoutMs,
    noDelay: true,
  };
}

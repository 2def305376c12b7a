/** TLS handshakes that came to nothing: counted by reason, and told without letting strangers fill the log. */
import type { TLSSocket } from "node:tls";
import type { EngineOptions } from "./engine.ts";

/** A reason is told at once and then at most this often, with how many there were. */
const QUIET_MS = 60_000;
/** A peer that goes away during the handshake is a port scan or a balancer that looks whether somebody listens. */
const GONE: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

const SENTENCES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the certificate of the client has expired",
  CERT_NOT_YET_VALID: "the certificate of the client is not valid yet",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate of the client is of another authority",
  UNABLE_TO_GET_ISSUER_CERT: "the certificate of the client is of another authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the certificate of the client is of another authority",
  SELF_SIGNED_CERT_IN_CHAIN: "the certificate of the client is of another authority",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate of the client is signed by itself",
  INVALID_PURPOSE: "the certificate is not one for clients",
  NO_CERTIFICATE: "the client sent no certificate",
  ERR_TLS_HANDSHAKE_TIMEOUT: "the client did not finish the handshake in time",
  ERR_SSL_HTTP_REQUEST: "the client does not speak TLS",
  ERR_SSL_NO_APPLICATION_PROTOCOL: "the client offered no protocol that is spoken here",
};

export type Handshakes = {
  /** What is wrong, in words. */
  failed(code: string, remote: string): string;
};

export function countHandshakes(warn: EngineOptions["warn"], now: () => number): Handshakes {
  const reasons = new Map<string, { times: number; quietUntil: number }>();
  return {
    failed(code, remote) {
      const sentence = SENTENCES[code] ?? code;
      if (GONE.has(code)) return sentence;
      const entry = reasons.get(code) ?? { times: 0, quietUntil: 0 };
      reasons.set(code, entry);
      entry.times++;
      if (now() < entry.quietUntil) return sentence;
      entry.quietUntil = now() + QUIET_MS;
      warn("a TLS handshake failed", { reason: sentence, code, remote, times: entry.times });
      entry.times = 0;
      return sentence;
    },
  };
}

/** Why the certificate of a client proves nothing; undefined where it does. */
export function clientFailure(socket: TLSSocket): string | undefined {
  // A session that is resumed counts as authorized in TLS 1.3 even where its client never had a certificate.
  if (socket.getPeerX509Certificate() === undefined) return "NO_CERTIFICATE";
  return socket.authorized ? undefined : String(socket.authorizationError);
}

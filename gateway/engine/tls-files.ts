/** The files of TLS: read and proved before a port is opened, and read anew when they change. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { type Fault, fault } from "../../contract/errors.ts";
import type { TlsFiles } from "./engine.ts";

const CERTIFICATE = "TLS_CERT_FILE";
const KEY = "TLS_KEY_FILE";
const CLIENT_CA = "TLS_CLIENT_CA_FILE";

/**
 * What a TLS server is made of. Rejects with MCPS_TLS_FILE, which names the file, its setting and what is wrong: not there, not
 * readable, no PEM, expired, a key that belongs to another certificate.
 */
export async function readTlsFiles(files: TlsFiles): Promise<SecureContextOptions> {
  const cert = await read(files.certFile, CERTIFICATE);
  const key = await read(files.keyFile, KEY);
  const ca = await readAuthority(files);
  const certificate = parseCertificate(cert, files.certFile, CERTIFICATE);
  const lapsed = lapse(certificate);
  if (lapsed !== undefined) throw unusable(files.certFile, CERTIFICATE, `its certificate ${lapsed}`);
  if (!certificate.checkPrivateKey(parseKey(key, files.keyFile))) {
    throw unusable(files.keyFile, KEY, `it is not the key of ${files.certFile}`);
  }
  const context = {
    cert,
    key,
    minVersion: "TLSv1.2",
    honorCipherOrder: true,
    ...(ca === undefined ? {} : { ca }),
  } as const;
  try {
    createSecureContext(context);
  } catch (error) {
    throw unusable(files.certFile, CERTIFICATE, reasonOf(error));
  }
  return context;
}

/** Without a file of our own Node would take every public authority for one that may name our clients. */
async function readAuthority({ clientCaFile, clientCertificate }: TlsFiles): Promise<Buffer | undefined> {
  if (clientCertificate === "none") return undefined;
  if (clientCaFile === undefined) {
    throw unusable("nothing", CLIENT_CA, `TLS_CLIENT_CERTIFICATE=${clientCertificate} needs the file of an authority`);
  }
  const pem = await read(clientCaFile, CLIENT_CA);
  const blocks = pem.toString("latin1").match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const lapses = blocks.map((block) => lapse(parseCertificate(Buffer.from(block, "latin1"), clientCaFile, CLIENT_CA)));
  if (lapses.length === 0) throw unusable(clientCaFile, CLIENT_CA, "it holds no PEM certificate");
  // A bundle may keep an old one beside its successor.
  const [first] = lapses;
  if (first !== undefined && lapses.every((one) => one !== undefined)) {
    throw unusable(clientCaFile, CLIENT_CA, `its certificate ${first}`);
  }
  return pem;
}

async function read(path: string, setting: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unusable(path, setting, reasonOf(error));
  }
}

function parseCertificate(pem: Buffer, path: string, setting: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw unusable(path, setting, "it holds no PEM certificate");
  }
}

function parseKey(pem: Buffer, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw unusable(path, KEY, "it holds no private key in PEM that can be read without a passphrase");
  }
}

/** Why a certificate is not valid now; undefined when it is. */
function lapse({ validFromDate, validToDate }: X509Certificate): string | undefined {
  const now = Date.now();
  if (now > validToDate.getTime()) return `expired at ${validToDate.toISOString()}`;
  return now < validFromDate.getTime() ? `is not valid before ${validFromDate.toISOString()}` : undefined;
}

function unusable(path: string, setting: string, reason: string): Fault {
  return fault("MCPS_TLS_FILE", { path, setting, reason });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What the paths lead to, in one text that changes with it. */
export async function marksOf({ certFile, keyFile, clientCaFile }: TlsFiles): Promise<string> {
  const paths = [certFile, keyFile, ...(clientCaFile === undefined ? [] : [clientCaFile])];
  return (await Promise.all(paths.map(markOf))).join(" ");
}

async function markOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found === undefined ? "absent" : `${found.dev}:${found.ino}:${found.mtimeNs}:${found.size}`;
}

/**
 * Looks at the files every so many ms and reads them anew once they have changed and kept still for one look, because certificate and
 * key are written one after the other. `marks`: of what was read first. It looks at what the paths lead to: Kubernetes and certbot swap
 * symbolic links, and a network file system tells nobody of a change. Answers how to stop it.
 */
export function watchTlsFiles(
  files: TlsFiles,
  marks: string,
  everyMs: number,
  on: { readonly changed: (context: SecureContextOptions) => void; readonly failed: (failure: unknown) => void },
): () => void {
  let applied = marks;
  let last = marks;
  let isLooking = false;

  async function look(): Promise<void> {
    const seen = await marksOf(files);
    const isStill = seen === last;
    last = seen;
    if (seen === applied || !isStill) return;
    applied = seen;
    await readTlsFiles(files).then(on.changed, on.failed);
  }

  const clock = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    void look().finally(() => {
      isLooking = false;
    });
  }, everyMs);
  clock.unref();
  return () => clearInterval(clock);
}

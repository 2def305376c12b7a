/** Certificates of Redis: the authorities that sign them, where they are none of the well-known ones, and what this gateway shows. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { fault } from "../../contract/errors.ts";
import type { RedisCertificates } from "./redis-options.ts";

/** Paths of PEM files, by what the settings REDIS_CA_FILE, REDIS_SSL_CERTFILE and REDIS_SSL_KEYFILE name. */
export type CertificateFiles = {
  readonly authorities?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
};

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/**
 * The files' texts. Throws MCPS_SETTINGS: at the start a file that was mistyped can be told from a Redis that is down, afterwards it
 * would look like one. `url` is REDIS_URL.
 */
export function readCertificates(files: CertificateFiles, url: string): RedisCertificates {
  const { authorities, certificate, key } = files;
  if ((certificate === undefined) !== (key === undefined)) {
    const [set, unset] = certificate === undefined ? ["KEYFILE", "CERTFILE"] : ["CERTFILE", "KEYFILE"];
    throw refusal(`REDIS_SSL_${set} is set and REDIS_SSL_${unset} is not, a certificate needs both`);
  }
  return {
    authorities: authorities === undefined ? undefined : chainOf("REDIS_CA_FILE", authorities, url),
    certificate: certificate === undefined ? undefined : chainOf("REDIS_SSL_CERTFILE", certificate, url),
    key: key === undefined ? undefined : keyOf("REDIS_SSL_KEYFILE", key, url),
  };
}

function chainOf(setting: string, path: string, url: string): string {
  const text = textOf(setting, path, url);
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0 || !certificates.every(isCertificate))
    throw unusable(setting, path, "a PEM file of certificates (-----BEGIN CERTIFICATE-----)");
  return text;
}

function keyOf(setting: string, path: string, url: string): string {
  const text = textOf(setting, path, url);
  try {
    createPrivateKey(text);
  } catch {
    throw unusable(setting, path, "a PEM file of one private key without a passphrase");
  }
  return text;
}

function textOf(setting: string, path: string, url: string): string {
  if (!/^rediss/i.test(url))
    throw unusable(setting, path, "unset where REDIS_URL does not begin with rediss, as nothing is encrypted then");
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : "unknown reason";
    throw unusable(setting, path, `a file that can be read (${reason})`);
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

function unusable(setting: string, path: string, problem: string): Error {
  return refusal(`${setting} is ${JSON.stringify(path)}, it has to be ${problem}`);
}

function refusal(text: string): Error {
  return fault("MCPS_SETTINGS", { count: 1, problems: `  ${text}` }, [text]);
}

/** The authorities that sign the certificates of Redis, where they are none of the well-known ones. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { fault } from "../../contract/errors.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/**
 * The PEM text of REDIS_CA_FILE. Throws MCPS_SETTINGS: at the start a file that was mistyped can be told from a Redis that is
 * down, afterwards it would look like one. `url` is REDIS_URL.
 */
export function readAuthorities(path: string, url: string): string {
  if (!/^rediss/i.test(url))
    throw unusable(path, "unset where REDIS_URL does not begin with rediss, as nothing is encrypted then");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw unusable(path, `a file that can be read (${error instanceof Error ? error.message : "unknown reason"})`);
  }
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0 || !certificates.every(isCertificate))
    throw unusable(path, "a PEM file of certificates (-----BEGIN CERTIFICATE-----)");
  return text;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

function unusable(path: string, problem: string): Error {
  const text = `REDIS_CA_FILE is ${JSON.stringify(path)}, it has to be ${problem}`;
  return fault("MCPS_SETTINGS", { count: 1, problems: `  ${text}` }, [text]);
}

/** Secrets of an export: under a passphrase (scrypt, AES-256-GCM), or not there at all. */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import * as z from "zod";
import { invalid } from "../problems.ts";
import { type GatewaySecrets, gatewaySecrets, type Sealed } from "./document.ts";

export type SecretsBySlug = Readonly<Record<string, GatewaySecrets>>;

/** OWASP's least for scrypt is 2^17 with r = 8; 128 MiB. */
const N = 131_072;
const MAX_MEMORY = 256 * 1024 * 1024;
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const MIN_PASSPHRASE = 12;
const PURPOSE = Buffer.from("mcp-stack registry export 1");

function keyOf(passphrase: string, salt: Buffer, n: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize("NFKC"), salt, KEY_BYTES, { N: n, r: 8, p: 1, maxmem: MAX_MEMORY }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

/** Throws MCPS_ITEM_INVALID for a passphrase that is too short to keep anything. */
export async function sealSecrets(secrets: SecretsBySlug, passphrase: string): Promise<Sealed> {
  if (passphrase.length < MIN_PASSPHRASE) {
    throw invalid("export", [{ path: "passphrase", allowed: `at least ${MIN_PASSPHRASE} characters` }]);
  }
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", await keyOf(passphrase, salt, N), nonce);
  cipher.setAAD(PURPOSE);
  const data = Buffer.concat([cipher.update(JSON.stringify(secrets)), cipher.final(), cipher.getAuthTag()]);
  return {
    kdf: "scrypt",
    n: N,
    salt: salt.toString("base64"),
    nonce: nonce.toString("base64"),
    data: data.toString("base64"),
  };
}

/** Throws MCPS_ITEM_INVALID when the passphrase does not open them. */
export async function openSecrets(sealed: Sealed, passphrase: string): Promise<SecretsBySlug> {
  const problem = (allowed: string) => invalid("import", [{ path: "passphrase", allowed }]);
  if ((sealed.n & (sealed.n - 1)) !== 0 || sealed.n > N)
    throw problem("the parameters of its key are none of this gateway");
  const data = Buffer.from(sealed.data, "base64");
  const nonce = Buffer.from(sealed.nonce, "base64");
  if (data.length < TAG_BYTES || nonce.length !== 12) throw problem("the sealed secrets are damaged");
  const key = await keyOf(passphrase, Buffer.from(sealed.salt, "base64"), sealed.n);
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, nonce);
    decipher.setAAD(PURPOSE);
    decipher.setAuthTag(data.subarray(-TAG_BYTES));
    const plain = Buffer.concat([decipher.update(data.subarray(0, -TAG_BYTES)), decipher.final()]);
    return z.record(z.string(), gatewaySecrets).parse(JSON.parse(plain.toString("utf8")));
  } catch {
    throw problem("it has to be the one with which the document was exported");
  }
}

/** Names of what is secret about an upstream. */
export function secretNames({ headers = {}, env = {}, more = {}, query }: GatewaySecrets): string[] {
  return [
    ...Object.keys(headers).map((name) => `header ${name}`),
    ...Object.keys(env).map((name) => `environment ${name}`),
    ...Object.entries(more).flatMap(([name, value]) => (value === undefined ? [] : [name])),
    ...(query === undefined ? [] : ["query of the URL"]),
  ];
}

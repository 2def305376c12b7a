/** The keys of the gateway's own tokens. The algorithm is ours to choose, never the token's (RFC 8725 §3.1). */
import { createHash, createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { fault } from "../../contract/errors.ts";
import type { JwtAlgorithm } from "../../contract/identity-settings.ts";

/** `kid` is absent for a shared secret: nothing that is derived from it stands in a token. */
export type OwnKey = { readonly key: KeyObject; readonly kid?: string };
export type OwnKeys = {
  readonly algorithm: JwtAlgorithm;
  /** Undefined where only others make tokens. */
  readonly signing: OwnKey | undefined;
  /** Not empty. */
  readonly verifying: readonly OwnKey[];
};
export type KeySource = {
  readonly algorithm: JwtAlgorithm;
  readonly secret: string | undefined;
  readonly privateKeyPath?: string | undefined;
  readonly publicKeyPath?: string | undefined;
};

/** RFC 7518 §3.2: a key has at least as many bytes as the hash. */
const MIN_SECRET_BYTES: Readonly<Partial<Record<JwtAlgorithm, number>>> = { HS256: 32, HS384: 48, HS512: 64 };
/** RFC 7518 §3.4: each has one curve, by its name in OpenSSL. */
const CURVES: Readonly<Partial<Record<JwtAlgorithm, string>>> = {
  ES256: "prime256v1",
  ES384: "secp384r1",
  ES512: "secp521r1",
};
const MIN_RSA_BITS = 2048;
const PEM_BLOCK = /-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g;

/** Throws RangeError for a secret that is too short, and MCPS_IDENTITY for files that hold no key of the algorithm. */
export function readOwnKeys(source: KeySource): OwnKeys | undefined {
  const { algorithm, privateKeyPath, publicKeyPath } = source;
  const minBytes = MIN_SECRET_BYTES[algorithm];
  if (minBytes !== undefined) return secretKeys(algorithm, source.secret, minBytes);
  if (privateKeyPath === undefined && publicKeyPath === undefined) return undefined;
  const signing = privateKeyPath === undefined ? undefined : privateKey(algorithm, privateKeyPath);
  const known = publicKeyPath === undefined ? [] : publicKeys(algorithm, publicKeyPath);
  const own = signing === undefined ? [] : [named(createPublicKey(signing))];
  const verifying = [...own, ...known.filter(({ kid }) => kid !== own[0]?.kid)];
  return {
    algorithm,
    signing: signing === undefined ? undefined : { key: signing, ...kidOf(createPublicKey(signing)) },
    verifying,
  };
}

function secretKeys(algorithm: JwtAlgorithm, secret: string | undefined, minBytes: number): OwnKeys | undefined {
  if (secret === undefined) return undefined;
  const bytes = Buffer.from(secret, "utf8");
  if (bytes.length < minBytes)
    throw new RangeError(`the JWT secret (JWT_SECRET_KEY) needs at least ${minBytes} bytes for ${algorithm}`);
  const key = { key: createSecretKey(bytes) };
  return { algorithm, signing: key, verifying: [key] };
}

function privateKey(algorithm: JwtAlgorithm, path: string): KeyObject {
  return checked(algorithm, path, "JWT_PRIVATE_KEY_PATH", () => createPrivateKey(readFileSync(path)));
}

function publicKeys(algorithm: JwtAlgorithm, path: string): readonly OwnKey[] {
  const setting = "JWT_PUBLIC_KEY_PATH";
  const text = readable(path, setting, () => readFileSync(path, "utf8"));
  const blocks = [...text.matchAll(PEM_BLOCK)];
  if (blocks.length === 0) throw unusable(path, setting, "it holds no PEM");
  return blocks.map(([pem, label = ""]) => {
    // A private key would be taken for its public half, and lie where the public may read.
    if (label.includes("PRIVATE")) throw unusable(path, setting, "it holds a private key");
    return named(checked(algorithm, path, setting, () => createPublicKey(pem)));
  });
}

function checked(algorithm: JwtAlgorithm, path: string, setting: string, read: () => KeyObject): KeyObject {
  const key = readable(path, setting, read);
  const problem = mismatch(algorithm, key);
  if (problem !== undefined) throw unusable(path, setting, `${problem}, which is not for JWT_ALGORITHM=${algorithm}`);
  return key;
}

function mismatch(algorithm: JwtAlgorithm, { asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject) {
  const curve = CURVES[algorithm];
  if (curve !== undefined) {
    if (type === "ec" && details?.namedCurve === curve) return undefined;
    return `it holds a key of type ${type === "ec" ? details?.namedCurve : type}`;
  }
  if (algorithm === "EdDSA") return type === "ed25519" ? undefined : `it holds a key of type ${type}`;
  if (type !== "rsa") return `it holds a key of type ${type}`;
  const bits = details?.modulusLength ?? 0;
  return bits < MIN_RSA_BITS ? `it holds an RSA key of ${bits} bits (${MIN_RSA_BITS} at least)` : undefined;
}

/** The reasons of OpenSSL say nothing of a key's content. */
function readable<Value>(path: string, setting: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw unusable(path, setting, error instanceof Error ? error.message : "unknown reason");
  }
}

function unusable(path: string, setting: string, reason: string) {
  return fault("MCPS_IDENTITY", { what: `${setting} ${JSON.stringify(path)}`, reason });
}

function named(key: KeyObject): OwnKey {
  return { key, ...kidOf(key) };
}

/** Opaque to everybody else (RFC 7515 §4.1.4): 128 bits of the digest of the public key. */
function kidOf(key: KeyObject): { readonly kid: string } {
  const der = key.export({ format: "der", type: "spki" });
  return { kid: createHash("sha256").update(der).digest("base64url").slice(0, 22) };
}

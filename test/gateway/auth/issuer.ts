/** An authorization server of the tests, as far as a resource server sees one: metadata, a key set that can be changed, tokens. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, type JWK, SignJWT } from "jose";

export type Key = { readonly kid: string; readonly alg: string; readonly privateKey: KeyObject; readonly jwk: JWK };
type Answer = { readonly status: number; readonly headers?: Record<string, string>; readonly body: string };
export type TestIssuer = Awaited<ReturnType<typeof startIssuer>>;

export async function newKey(kid: string, alg = "ES256"): Promise<Key> {
  const { publicKey, privateKey } = keyPair(alg);
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } };
}

export function keyPair(alg: string): { publicKey: KeyObject; privateKey: KeyObject } {
  if (alg === "EdDSA") return generateKeyPairSync("ed25519");
  const curves: Readonly<Record<string, string>> = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };
  const namedCurve = curves[alg];
  if (namedCurve !== undefined) return generateKeyPairSync("ec", { namedCurve });
  return generateKeyPairSync("rsa", { modulusLength: 2048 });
}

/** Serves on a free port of 127.0.0.1. `answer` may stand in for any path. */
export async function startIssuer() {
  const asked: string[] = [];
  const keys: Key[] = [];
  const answers = new Map<string, () => Answer>();
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    const { status, headers, body }: Answer = answers.get(path)?.() ?? { status: 404, body: "" };
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const json = (make: () => unknown) => () => ({ status: 200, body: JSON.stringify(make()) });
  answers.set(
    "/.well-known/openid-configuration",
    json(() => ({ issuer: url, jwks_uri: `${url}/keys` })),
  );
  answers.set(
    "/keys",
    json(() => ({ keys: keys.map(({ jwk }) => jwk) })),
  );
  return {
    url,
    /** Paths, in order. */
    asked,
    /** What the key set holds now. */
    keys,
    answers,
    sign(key: Key, payload: Record<string, unknown>, header: Record<string, unknown> = {}): Promise<string> {
      const protectedHeader = { alg: key.alg, kid: key.kid, ...header };
      return new SignJWT({ iss: url, ...payload }).setProtectedHeader(protectedHeader).sign(key.privateKey);
    },
    close: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}

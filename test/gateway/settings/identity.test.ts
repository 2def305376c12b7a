/** Settings of identity that need one another, or do nothing as the others stand. */
import { describe, expect, it } from "vitest";
import { Fault } from "../../../contract/errors.ts";
import { loadSettings } from "../../../gateway/settings/index.ts";

const load = (env: Record<string, string>) => loadSettings({ env, envFile: false, directory: "/srv" });

function problems(env: Record<string, string>): unknown {
  try {
    load(env);
  } catch (error) {
    if (error instanceof Fault) return error.data;
    throw error;
  }
  return [];
}

const SSO = {
  SSO_ENABLED: "true",
  SSO_GENERIC_ISSUER: "https://id.example.com",
  SSO_GENERIC_CLIENT_ID: "gateway",
  APP_DOMAIN: "https://gw.example.com",
};

describe("settings of identity", () => {
  it.each<[Record<string, string>, readonly string[]]>([
    [{}, []],
    [SSO, []],
    [
      { JWT_ALGORITHM: "rs256" },
      ['JWT_ALGORITHM is "RS256", it needs JWT_PRIVATE_KEY_PATH or JWT_PUBLIC_KEY_PATH (environment)'],
    ],
    [{ JWT_ALGORITHM: "EdDSA", JWT_PUBLIC_KEY_PATH: "keys.pem" }, []],
    [
      { SSO_ENABLED: "true", APP_DOMAIN: "https://gw.example.com" },
      [
        "SSO_ENABLED is true and SSO_GENERIC_ISSUER is not set, signing in needs it (environment)",
        "SSO_ENABLED is true and SSO_GENERIC_CLIENT_ID is not set, signing in needs it (environment)",
      ],
    ],
    [
      { ...SSO, JWT_ALGORITHM: "ES256", JWT_PUBLIC_KEY_PATH: "keys.pem" },
      ["SSO_ENABLED is true and JWT_PRIVATE_KEY_PATH is not set: a session is a token that is made here (environment)"],
    ],
    [
      { ...SSO, SSO_GENERIC_TOKEN_URL: "https://id.example.com/token" },
      [
        "SSO_GENERIC_TOKEN_URL without SSO_GENERIC_AUTHORIZATION_URL, SSO_GENERIC_JWKS_URI: all of them take the place of discovery, or none",
      ],
    ],
  ])("%j have the problems %j", (env, expected) => {
    expect(problems(env)).toEqual(expected);
  });

  it.each<[Record<string, string>, string]>([
    [
      { JWT_PRIVATE_KEY_PATH: "k" },
      "JWT_PRIVATE_KEY_PATH (environment) has no effect: JWT_ALGORITHM is HS256, which takes JWT_SECRET_KEY",
    ],
    [
      { AUTH_REVOCATION_STALE: "60" },
      "AUTH_REVOCATION_STALE (environment) has no effect: AUTH_REVOCATION_FAIL is closed",
    ],
    [{ TLS_CLIENT_IDENTITY: "uri" }, "TLS_CLIENT_IDENTITY (environment) has no effect: TLS_CLIENT_CERTIFICATE is none"],
    [{ SSO_GENERIC_CLIENT_ID: "x" }, "SSO_GENERIC_CLIENT_ID (environment) has no effect: SSO_ENABLED is false"],
  ])("%j are told: %s", (env, warning) => {
    expect(load(env).warnings).toEqual([warning]);
  });
});

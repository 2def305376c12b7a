/** What is stored of an upstream's credentials: by each kind of authentication, kept, changed and taken away; and what is refused. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Credentials, credentialsOf } from "../../../gateway/registry/credential-input.ts";
import { draftRecord } from "../../../gateway/registry/inspect.ts";
import { showGateway } from "../../../gateway/registry/present.ts";
import type { Problem } from "../../../gateway/registry/problems.ts";
import { type GatewayPatch, gatewayPatch } from "../../../gateway/registry/schemas.ts";
import { type Certificates, installed, makeCertificates } from "../../harness/index.ts";
import { gatewayInput } from "../store/conformance.ts";

function read(patch: GatewayPatch, former?: Partial<Credentials>) {
  const problems: Problem[] = [];
  const credentials = credentialsOf(gatewayPatch.parse(patch), former, problems);
  return { credentials, problems: problems.map(({ path, allowed }) => `${path}: ${allowed}`) };
}

const NOTHING = { outbound: {}, secrets: {} };
const OAUTH = { grantType: "client_credentials", clientId: "c", clientSecret: "s", scopes: ["a"] } as const;

describe("credentials of an upstream", () => {
  it.each<[string, GatewayPatch, Credentials]>([
    ["none", { authType: "none" }, { authType: "none", authHeaders: {}, ...NOTHING }],
    ["bearer", { authToken: "t" }, { authType: "bearer", authHeaders: { authorization: "Bearer t" }, ...NOTHING }],
    [
      "basic",
      { authUsername: "u", authPassword: "p" },
      { authType: "basic", authHeaders: { authorization: "Basic dTpw" }, ...NOTHING },
    ],
    [
      "query_param",
      { authQueryParamKey: "key", authQueryParamValue: "v" },
      { authType: "query_param", authHeaders: {}, outbound: {}, secrets: { queryName: "key", queryValue: "v" } },
    ],
    [
      "oauth",
      { oauthConfig: { ...OAUTH, scopes: ["a"] } },
      {
        authType: "oauth",
        authHeaders: {},
        outbound: { oauth: { grantType: "client_credentials", clientId: "c", scopes: ["a"] } },
        secrets: { clientSecret: "s" },
      },
    ],
    [
      "identity",
      { identityPropagation: { enabled: true, audience: "a" } },
      { authType: "none", authHeaders: {}, outbound: { identity: { enabled: true, audience: "a" } }, secrets: {} },
    ],
  ])("%s", (_, patch, expected) => {
    expect(read(patch)).toEqual({ credentials: expected, problems: [] });
  });

  it("stay when a change says nothing of them, and go with another kind", () => {
    const { credentials } = read({ oauthConfig: { ...OAUTH, scopes: ["a"] } });
    expect(read({ name: "other" }, credentials).credentials).toEqual(credentials);
    expect(read({ authToken: "t" }, credentials).credentials).toEqual({
      authType: "bearer",
      authHeaders: { authorization: "Bearer t" },
      ...NOTHING,
    });
  });

  it("keep a client's secret for the same client alone", () => {
    const { credentials } = read({ oauthConfig: { ...OAUTH, scopes: ["a"] } });
    const again = (clientId: string) =>
      read({ oauthConfig: { grantType: "client_credentials", clientId, scopes: ["b"] } }, credentials);
    expect(again("c").credentials.secrets).toEqual({ clientSecret: "s" });
    expect(again("another").credentials.secrets).toEqual({});
    expect(again("another").problems).toEqual(["oauthConfig.clientSecret: needed with client_credentials"]);
  });

  it.each<[GatewayPatch, string]>([
    [{ authType: "oauth" }, "oauthConfig: needed with authType oauth"],
    [{ authType: "query_param", authQueryParamKey: "k" }, "authQueryParamValue: needed with authType query_param"],
    [
      { oauthConfig: { grantType: "authorization_code", tokenUrl: "https://as/token" } },
      "oauthConfig.authorizationUrl: needed with tokenUrl, where there is no issuer to ask for it",
    ],
    [
      { oauthConfig: { grantType: "authorization_code", clientSecret: "s", tokenEndpointAuthMethod: "none" } },
      "oauthConfig.clientSecret: not with tokenEndpointAuthMethod none",
    ],
  ])("are refused where something is missing: %o", (patch, problem) => {
    expect(read(patch).problems).toEqual([problem]);
  });
});

describe("certificates", () => {
  let one: Certificates;
  let two: Certificates;
  beforeAll(async () => {
    [one, two] = await Promise.all([makeCertificates(), makeCertificates()]);
  });
  afterAll(() => Promise.all([one?.remove(), two?.remove()]));
  const pem = (path: string) => readFileSync(path, "utf8");

  it("go with their key, the key among the secrets", () => {
    const patch = { caCertificate: pem(one.authority), clientCert: pem(one.certificate), clientKey: pem(one.key) };
    expect(read(patch)).toEqual({
      credentials: {
        authType: "none",
        authHeaders: {},
        outbound: { caCertificate: patch.caCertificate, clientCertificate: patch.clientCert },
        secrets: { clientKey: patch.clientKey },
      },
      problems: [],
    });
    const { credentials } = read(patch);
    expect(read({ clientCert: null }, credentials).credentials).toEqual({
      ...credentials,
      outbound: { caCertificate: patch.caCertificate },
      secrets: {},
    });
  });

  it("are refused without their key, with another's, or when nobody can read them", () => {
    const clientCert = pem(one.certificate);
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    expect([
      read({ clientCert }).problems,
      read({ clientCert, clientKey: pem(two.key) }).problems,
      read({ caCertificate: broken }).problems,
    ]).toEqual([
      ["clientKey: needed with clientCert"],
      ["clientKey: has to be the key of clientCert"],
      ["caCertificate: has to be a certificate in PEM"],
    ]);
  });

  it("are refused when they have expired", () => {
    // -1 is the one day before today that openssl takes.
    const line = "x509 -req -in server.csr -signkey server.key -days -1";
    const expired = execFileSync(installed("openssl"), line.split(" "), {
      cwd: dirname(one.certificate),
      stdio: ["ignore", "pipe", "ignore"],
    }).toString();
    const [said = "", ...more] = read({ caCertificate: expired }).problems;
    expect([said.replace(/\d/g, "0"), more]).toEqual(["caCertificate: has expired on 0000-00-00T00:00:00.000Z", []]);
  });
});

describe("what REST shows of them", () => {
  it("holds no secret", () => {
    const secrets = { clientSecret: "hidden-1", clientKey: "hidden-2", queryName: "key", queryValue: "hidden-3" };
    const authHeaders = { authorization: "hidden-4" };
    const outbound = { oauth: { grantType: "client_credentials", scopes: [], clientId: "shown" } } as const;
    const input = gatewayInput("g", { authHeaders, secrets, outbound: { oauth: { ...outbound.oauth, scopes: [] } } });
    const text = JSON.stringify(showGateway(draftRecord(input)));
    expect(text).not.toMatch(/hidden/);
    expect(text).toContain('"clientId":"shown"');
    expect(text).toContain('"authConfigured":true');
  });
});

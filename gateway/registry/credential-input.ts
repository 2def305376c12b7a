/** From what a caller sends of an upstream's credentials to what is stored of them. A patch that says nothing of a part keeps it. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import type { GatewayInput, Outbound, OutboundSecrets } from "../store/index.ts";
import type { Problem } from "./problems.ts";
import type { GatewayPatch } from "./schemas.ts";

export type Credentials = Pick<GatewayInput, "authType" | "authHeaders"> & {
  readonly outbound: Outbound;
  readonly secrets: OutboundSecrets;
};

/** Whatever a caller may send of credentials. */
export const CREDENTIAL_FIELDS = [
  "authType",
  "authUsername",
  "authPassword",
  "authToken",
  "authHeaderKey",
  "authHeaderValue",
  "authHeaders",
  "oauthConfig",
  "authQueryParamKey",
  "authQueryParamValue",
] as const;
type Field = (typeof CREDENTIAL_FIELDS)[number];
type Auth = Pick<Credentials, "authType" | "authHeaders"> & {
  readonly oauth?: Outbound["oauth"];
  readonly secrets?: OutboundSecrets;
};

export function credentialsOf(
  patch: GatewayPatch,
  former: Partial<Credentials> | undefined,
  problems: Problem[],
): Credentials {
  const { outbound: before = {}, secrets: hidden = {} } = former ?? {};
  const { authType, authHeaders, oauth, secrets } = authOf(patch, former, problems) ?? {
    authType: former?.authType ?? "none",
    authHeaders: former?.authHeaders ?? {},
    oauth: before.oauth,
    secrets: only(hidden, ["clientSecret", "queryName", "queryValue"]),
  };
  const ca = chosen(patch.caCertificate, before.caCertificate);
  const certificate = chosen(patch.clientCert, before.clientCertificate);
  const key = certificate === undefined ? undefined : chosen(patch.clientKey, hidden.clientKey);
  checkCertificates(ca, certificate, key, problems);
  const identity = chosen(patch.identityPropagation, before.identity);
  return {
    authType,
    authHeaders,
    outbound: {
      ...(oauth === undefined ? {} : { oauth }),
      ...(ca === undefined ? {} : { caCertificate: ca }),
      ...(certificate === undefined ? {} : { clientCertificate: certificate }),
      ...(identity === undefined ? {} : { identity }),
    },
    secrets: { ...secrets, ...(key === undefined ? {} : { clientKey: key }) },
  };
}

/** null takes away, undefined keeps. */
function chosen<T>(given: T | null | undefined, former: T | undefined): T | undefined {
  return given === undefined ? former : (given ?? undefined);
}

function only(secrets: OutboundSecrets, names: readonly (keyof OutboundSecrets)[]): OutboundSecrets {
  return Object.fromEntries(Object.entries(secrets).filter(([name]) => names.some((one) => one === name)));
}

function inferredType(patch: GatewayPatch): GatewayInput["authType"] {
  if (patch.authType !== undefined) return patch.authType;
  if (patch.oauthConfig !== undefined) return "oauth";
  if (patch.authQueryParamKey !== undefined) return "query_param";
  if (patch.authToken !== undefined) return "bearer";
  return patch.authUsername !== undefined || patch.authPassword !== undefined ? "basic" : "authheaders";
}

/** Undefined when the patch says nothing about how the gateway shows who it is. */
function authOf(patch: GatewayPatch, former: Partial<Credentials> | undefined, problems: Problem[]): Auth | undefined {
  if (CREDENTIAL_FIELDS.every((field) => patch[field] === undefined)) return undefined;
  const authType = inferredType(patch);
  const need = (field: Field): Auth => {
    problems.push({ path: field, allowed: `needed with authType ${authType}` });
    return { authType, authHeaders: {} };
  };
  switch (authType) {
    case "none":
      return { authType, authHeaders: {} };
    case "bearer":
      if (patch.authToken === undefined || patch.authToken === "") return need("authToken");
      return { authType, authHeaders: { authorization: `Bearer ${patch.authToken}` } };
    case "basic":
      return basicOf(patch, need);
    case "oauth":
      return oauthOf(patch, former, need, problems);
    case "query_param": {
      const { authQueryParamKey: queryName, authQueryParamValue: queryValue } = patch;
      if (queryName === undefined) return need("authQueryParamKey");
      if (queryValue === undefined || queryValue === "") return need("authQueryParamValue");
      return { authType, authHeaders: {}, secrets: { queryName, queryValue } };
    }
    case "authheaders": {
      const { authHeaderKey: key, authHeaderValue: value, authHeaders: several = [] } = patch;
      const all = key === undefined || value === undefined ? several : [...several, { key, value }];
      if (all.length === 0) return need("authHeaders");
      return { authType, authHeaders: Object.fromEntries(all.map((one) => [one.key.toLowerCase(), one.value])) };
    }
  }
}

function basicOf({ authUsername, authPassword }: GatewayPatch, need: (field: Field) => Auth): Auth {
  if (authUsername === undefined) return need("authUsername");
  if (authPassword === undefined) return need("authPassword");
  const pair = Buffer.from(`${authUsername}:${authPassword}`).toString("base64");
  return { authType: "basic", authHeaders: { authorization: `Basic ${pair}` } };
}

/** A change of the configuration that brings no secret keeps the one for the same client. */
function oauthOf(
  { oauthConfig }: GatewayPatch,
  former: Partial<Credentials> | undefined,
  need: (field: Field) => Auth,
  problems: Problem[],
): Auth {
  if (oauthConfig === undefined) return need("oauthConfig");
  const { clientSecret: given, scopes = [], ...rest } = oauthConfig;
  const isSameClient = former?.outbound?.oauth?.clientId === rest.clientId;
  const clientSecret = given ?? (isSameClient ? former?.secrets?.clientSecret : undefined);
  const { grantType, issuer, tokenUrl, authorizationUrl, clientId, tokenEndpointAuthMethod: method } = rest;
  const say = (field: string, allowed: string) => problems.push({ path: `oauthConfig.${field}`, allowed });
  if (
    grantType === "authorization_code" &&
    tokenUrl !== undefined &&
    authorizationUrl === undefined &&
    issuer === undefined
  )
    say("authorizationUrl", "needed with tokenUrl, where there is no issuer to ask for it");
  if (grantType === "client_credentials" && clientId !== undefined && clientSecret === undefined)
    say("clientSecret", "needed with client_credentials");
  if (method === "none" && clientSecret !== undefined) say("clientSecret", "not with tokenEndpointAuthMethod none");
  return {
    authType: "oauth",
    authHeaders: {},
    oauth: { ...rest, scopes },
    secrets: clientSecret === undefined ? {} : { clientSecret },
  };
}

/** What cannot work is refused where it is said, not with the first connection. */
function checkCertificates(
  ca: string | undefined,
  certificate: string | undefined,
  key: string | undefined,
  problems: Problem[],
): void {
  const read = (field: string, text: string | undefined) => {
    if (text === undefined) return undefined;
    try {
      const certificate = new X509Certificate(text);
      if (certificate.validToDate.getTime() <= Date.now())
        problems.push({ path: field, allowed: `has expired on ${certificate.validToDate.toISOString()}` });
      return certificate;
    } catch {
      problems.push({ path: field, allowed: "has to be a certificate in PEM" });
      return undefined;
    }
  };
  read("caCertificate", ca);
  const client = read("clientCert", certificate);
  if (certificate === undefined) return;
  if (key === undefined) {
    problems.push({ path: "clientKey", allowed: "needed with clientCert" });
    return;
  }
  try {
    if (client?.checkPrivateKey(createPrivateKey(key)) === false)
      problems.push({ path: "clientKey", allowed: "has to be the key of clientCert" });
  } catch {
    problems.push({ path: "clientKey", allowed: "has to be a private key in PEM, without a passphrase" });
  }
}

/** Other issuers whose access tokens are accepted: which they are, and what is believed of what each says. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import * as z from "zod";
import { fault } from "../../contract/errors.ts";
import { JWT_ALGORITHMS, type JwtAlgorithm } from "../../contract/identity-settings.ts";
import { lazily } from "../../contract/lazily.ts";

// Loaded by the first who needs it: most gateways never do, and a start should not wait for it.
const yaml = lazily((): typeof Yaml => createRequire(import.meta.url)("yaml"));

const ASYMMETRIC = JWT_ALGORITHMS.filter((name) => !name.startsWith("HS"));
const MAX_ISSUERS = 100;

const httpUrl = z.url({ protocol: /^https?$/ });
const claim = z.string().min(1).max(200);
const Declared = z.strictObject({
  issuer: httpUrl,
  jwks_uri: httpUrl.optional(),
  audience: z.union([z.string().transform((one) => [one]), z.array(z.string())]).optional(),
  algorithms: z
    .array(z.enum(JWT_ALGORITHMS))
    .refine((names) => names.every((name) => !name.startsWith("HS")), "HS* are shared secrets and have no key set")
    .optional(),
  scopes: z.enum(["narrow", "require", "ignore"]).optional(),
  scope_claim: claim.optional(),
  subject_claim: claim.optional(),
  email_claim: claim.optional(),
  groups_claim: claim.optional(),
  /** The issuer makes sure of addresses and does not say so with `email_verified`. */
  emails_verified: z.boolean().optional(),
  /** Addresses that it may speak for; absent: any. */
  email_domains: z.array(z.string()).optional(),
  admin_groups: z.array(z.string()).optional(),
  /** Team by group. */
  teams: z.record(z.string(), z.string()).optional(),
});
const File = z.array(Declared).max(MAX_ISSUERS);

export type TrustedIssuer = {
  /** Exactly as in `iss`. */
  readonly issuer: string;
  readonly jwksUri: string | undefined;
  /** Any of these opens everything, besides the resources of this gateway. */
  readonly audiences: readonly string[];
  readonly algorithms: readonly JwtAlgorithm[];
  readonly scopes: "narrow" | "require" | "ignore";
  readonly scopeClaim: string;
  readonly subjectClaim: string;
  readonly emailClaim: string;
  readonly groupsClaim: string;
  readonly emailsVerified: boolean;
  /** Lower case; empty: any. */
  readonly emailDomains: readonly string[];
  readonly adminGroups: readonly string[];
  readonly teams: Readonly<Record<string, string>> | undefined;
};

export type IssuerSource = {
  /** URLs without more said of them. */
  readonly issuers: readonly string[];
  /** As in the file. */
  readonly declared?: readonly z.input<typeof Declared>[];
  readonly path: string | undefined;
  /** For all of them. */
  readonly audiences: readonly string[];
  readonly scopes: TrustedIssuer["scopes"];
  readonly emailDomains: readonly string[];
  /** `iss` of the gateway's own tokens, which nobody else may use. */
  readonly ownIssuer: string;
};

/** Throws MCPS_IDENTITY for a file that cannot be read and for an issuer that stands twice. */
export function readIssuers(source: IssuerSource): readonly TrustedIssuer[] {
  const listed = source.issuers.map((issuer) => checked("SSO_ISSUERS", Declared, { issuer }));
  const settled = (source.declared ?? []).map((one) => checked("SSO_GENERIC_ISSUER", Declared, one));
  const declared = source.path === undefined ? [] : readFile(source.path);
  const all = [...settled, ...declared, ...listed].map((one) => completed(one, source));
  const names = all.map(({ issuer }) => issuer);
  const twice = [source.ownIssuer, ...names].find((name, at, list) => list.indexOf(name) !== at);
  if (twice !== undefined)
    throw fault("MCPS_IDENTITY", { what: `issuer ${JSON.stringify(twice)}`, reason: "it is named more than once" });
  return all;
}

/** What was not said is as `source` has it for all. */
function completed(one: z.infer<typeof Declared>, source: IssuerSource): TrustedIssuer {
  return {
    issuer: one.issuer,
    jwksUri: one.jwks_uri,
    audiences: one.audience ?? source.audiences,
    algorithms: one.algorithms ?? ASYMMETRIC,
    scopes: one.scopes ?? source.scopes,
    scopeClaim: one.scope_claim ?? "scope",
    subjectClaim: one.subject_claim ?? "sub",
    emailClaim: one.email_claim ?? "email",
    groupsClaim: one.groups_claim ?? "groups",
    emailsVerified: one.emails_verified ?? false,
    emailDomains: (one.email_domains ?? source.emailDomains).map((domain) => domain.toLowerCase()),
    adminGroups: one.admin_groups ?? [],
    teams: one.teams,
  };
}

function readFile(path: string): z.infer<typeof File> {
  const what = `TOKEN_ISSUERS_FILE ${JSON.stringify(path)}`;
  try {
    // JSON is YAML.
    return checked(what, File, yaml().parse(readFileSync(path, "utf8")));
  } catch (error) {
    const reason = error instanceof Error ? error.message : "unknown reason";
    throw error instanceof Error && "code" in error && error.code === "MCPS_IDENTITY"
      ? error
      : fault("MCPS_IDENTITY", { what, reason });
  }
}

function checked<Schema extends z.ZodType>(what: string, schema: Schema, value: unknown): z.infer<Schema> {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw fault("MCPS_IDENTITY", { what, reason: z.prettifyError(read.error).replaceAll("\n", " ") });
}

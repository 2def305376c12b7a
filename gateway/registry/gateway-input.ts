/** From what a caller sends about an upstream to what is stored: credentials into headers, rules across fields. */
import type { Principal } from "../../contract/principal.ts";
import { slugify } from "../mcp/index.ts";
import type { GatewayInput, GatewayRecord } from "../store/index.ts";
import { invalid, type Problem } from "./problems.ts";
import type { GatewayPatch } from "./schemas.ts";

type Auth = Pick<GatewayInput, "authType" | "authHeaders">;

const AUTH_FIELDS = [
  "authType",
  "authUsername",
  "authPassword",
  "authToken",
  "authHeaderKey",
  "authHeaderValue",
  "authHeaders",
] as const;

function inferredType(patch: GatewayPatch): GatewayInput["authType"] {
  if (patch.authType !== undefined) return patch.authType;
  if (patch.authToken !== undefined) return "bearer";
  return patch.authUsername !== undefined || patch.authPassword !== undefined ? "basic" : "authheaders";
}

/** Undefined when the patch says nothing about credentials. */
function authOf(patch: GatewayPatch, problems: Problem[]): Auth | undefined {
  if (AUTH_FIELDS.every((field) => patch[field] === undefined)) return undefined;
  const authType = inferredType(patch);
  const need = (field: (typeof AUTH_FIELDS)[number]) => {
    problems.push({ path: field, allowed: `needed with authType ${authType}` });
    return { authType, authHeaders: {} };
  };
  if (authType === "none") return { authType, authHeaders: {} };
  if (authType === "bearer") {
    if (patch.authToken === undefined || patch.authToken === "") return need("authToken");
    return { authType, authHeaders: { authorization: `Bearer ${patch.authToken}` } };
  }
  if (authType === "basic") {
    const { authUsername, authPassword } = patch;
    if (authUsername === undefined) return need("authUsername");
    if (authPassword === undefined) return need("authPassword");
    const pair = Buffer.from(`${authUsername}:${authPassword}`).toString("base64");
    return { authType, authHeaders: { authorization: `Basic ${pair}` } };
  }
  const { authHeaderKey: key, authHeaderValue: value, authHeaders: several = [] } = patch;
  const all = key === undefined || value === undefined ? several : [...several, { key, value }];
  if (all.length === 0) return need("authHeaders");
  return { authType, authHeaders: Object.fromEntries(all.map((one) => [one.key.toLowerCase(), one.value])) };
}

function stdioOf(patch: GatewayPatch, former: GatewayInput["stdio"]): GatewayInput["stdio"] {
  const command = patch.command ?? former?.command;
  if (command === undefined) return null;
  return {
    command,
    args: patch.args ?? former?.args ?? [],
    env: patch.env ?? former?.env ?? {},
    cwd: patch.cwd === undefined ? (former?.cwd ?? null) : patch.cwd,
    isolation: patch.isolation ?? former?.isolation ?? "session",
  };
}

/** What nobody has declared is not stored. */
function isolationOf(declared: GatewayInput["isolation"]): Pick<GatewayInput, "isolation"> {
  return declared === "shared" ? { isolation: declared } : {};
}

/** Throws MCPS_ITEM_INVALID with every problem across fields. */
export function gatewayInput(
  patch: GatewayPatch,
  former: GatewayRecord | undefined,
  principal: Principal,
  others: readonly GatewayRecord[],
  separator: string,
): GatewayInput {
  const problems: Problem[] = [];
  const auth = authOf(patch, problems) ?? {
    authType: former?.authType ?? "none",
    authHeaders: former?.authHeaders ?? {},
  };
  const transport = patch.transport ?? former?.transport ?? (patch.command === undefined ? "STREAMABLEHTTP" : "STDIO");
  const isStdio = transport === "STDIO";
  const stdio = isStdio ? stdioOf(patch, former?.stdio ?? null) : null;
  const url = isStdio ? null : (patch.url ?? former?.url ?? null);
  if (isStdio && stdio === null) problems.push({ path: "command", allowed: "needed with transport STDIO" });
  if (isStdio && patch.url != null) problems.push({ path: "url", allowed: "not with transport STDIO" });
  if (!isStdio && url === null) problems.push({ path: "url", allowed: `needed with transport ${transport}` });
  if (!isStdio && patch.command !== undefined) problems.push({ path: "command", allowed: "only with transport STDIO" });
  const name = patch.name ?? former?.name ?? "";
  const slug = patch.slug ?? former?.slug ?? slugify(name);
  problems.push(...slugProblems(slug, former?.id, others, separator));
  if (problems.length > 0) throw invalid("gateway", problems);
  return {
    ...auth,
    slug,
    name,
    description: patch.description ?? former?.description ?? "",
    transport,
    url,
    stdio,
    ...(isStdio ? {} : isolationOf(patch.isolation ?? former?.isolation)),
    era: patch.era ?? former?.era ?? "auto",
    passthroughHeaders: (patch.passthroughHeaders ?? former?.passthroughHeaders ?? []).map((one) => one.toLowerCase()),
    requestTimeoutMs:
      patch.requestTimeoutMs === undefined ? (former?.requestTimeoutMs ?? null) : patch.requestTimeoutMs,
    tags: patch.tags ?? former?.tags ?? [],
    visibility: patch.visibility ?? former?.visibility ?? "public",
    teamId: patch.teamId === undefined ? (former?.teamId ?? null) : patch.teamId,
    ownerEmail:
      patch.ownerEmail === undefined ? (former === undefined ? principal.id : former.ownerEmail) : patch.ownerEmail,
    enabled: patch.enabled ?? former?.enabled ?? true,
    source: former?.source ?? "api",
  };
}

/** A slug that together with the separator begins another's prefix would make listed names ambiguous. */
export function slugProblems(
  slug: string,
  ownId: string | undefined,
  others: readonly Pick<GatewayRecord, "id" | "slug">[],
  separator: string,
): Problem[] {
  const mine = slug + separator;
  return others
    .filter((other) => other.id !== ownId && other.slug !== slug)
    .filter((other) => mine.startsWith(other.slug + separator) || (other.slug + separator).startsWith(mine))
    .map((other) => ({
      path: "slug",
      value: slug,
      allowed: `no slug that with the separator ${separator} overlaps with ${other.slug}`,
    }));
}

/** From what a caller sends about an upstream to what is stored: rules across fields. */
import type { Principal } from "../../contract/principal.ts";
import { slugify } from "../mcp/index.ts";
import type { GatewayInput, GatewayRecord } from "../store/index.ts";
import { credentialsOf } from "./credential-input.ts";
import { invalid, type Problem } from "./problems.ts";
import type { GatewayPatch } from "./schemas.ts";

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
  const { outbound, secrets, ...auth } = credentialsOf(patch, former, problems);
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
  // Said even when empty: an update has to take away what was there.
  const isPlain = Object.keys(outbound).length === 0 && Object.keys(secrets).length === 0;
  const wasPlain = former?.outbound === undefined && former?.secrets === undefined;
  return {
    ...auth,
    ...(isPlain && wasPlain ? {} : { outbound, secrets }),
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

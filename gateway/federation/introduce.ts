/** How the gateway introduces itself: results of initialize (legacy) and server/discover (modern) for a view. */
import { type Era, MODERN_VERSIONS, memberAt, members } from "../mcp/index.ts";
import type { UpstreamProfile } from "../upstreams/index.ts";
import type { FederationParts } from "./parts.ts";
import type { View, ViewUpstream } from "./types.ts";

export type Identity = { readonly name: string; readonly title: string; readonly version: string };

/** What the gateway itself honours on a merged view, whichever upstreams are there now or later. */
const MERGED = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  completions: {},
  logging: {},
};
/** Capabilities that exist in one era only and cannot be carried into the other. */
const LEGACY_ONLY_CAPABILITIES = new Set(["tasks"]);
const MODERN_ONLY_CAPABILITIES = new Set(["extensions"]);

/** Raw result of initialize. One upstream: its own capabilities and name; several: what the gateway honours over all. */
export async function initializeResult(
  parts: FederationParts,
  identity: Identity,
  view: View,
  protocolVersion: string,
): Promise<Buffer> {
  const known = await profiles(parts, view, "legacy");
  const only = view.scope.kind === "gateway" ? known[0]?.profile : undefined;
  const capabilities =
    only === undefined
      ? JSON.stringify(MERGED)
      : carried(only, only.era === "modern" ? MODERN_ONLY_CAPABILITIES : new Set());
  const serverInfo = only === undefined ? identityJson(identity) : only.serverInfo.toString();
  return Buffer.from(
    `{"protocolVersion":${JSON.stringify(protocolVersion)},"capabilities":${capabilities},"serverInfo":${serverInfo}${instructions(view, known)}}`,
  );
}

/** Raw result of server/discover. The list of what is here depends on who asks, so it is private and never fresh for long. */
export async function discoverResult(parts: FederationParts, view: View): Promise<Buffer> {
  const known = await profiles(parts, view, "modern");
  const only = view.scope.kind === "gateway" ? known[0]?.profile : undefined;
  const capabilities =
    only === undefined
      ? JSON.stringify(MERGED)
      : carried(only, only.era === "legacy" ? LEGACY_ONLY_CAPABILITIES : new Set());
  return Buffer.from(
    `{"resultType":"complete","supportedVersions":${JSON.stringify(MODERN_VERSIONS)},"capabilities":${capabilities}${instructions(view, known)},"ttlMs":0,"cacheScope":"private"}`,
  );
}

/** serverInfo of a view as raw JSON: the upstream's own behind `/gateways/{id}`, else the gateway's. */
export async function serverInfoOf(parts: FederationParts, identity: Identity, view: View): Promise<Buffer> {
  const only = view.scope.kind === "gateway" ? (await profiles(parts, view, "modern"))[0]?.profile : undefined;
  return only === undefined ? Buffer.from(identityJson(identity)) : only.serverInfo;
}

export function identityJson(identity: Identity): string {
  return JSON.stringify(identity);
}

type Known = { readonly upstream: ViewUpstream; readonly profile: UpstreamProfile };

/** Profiles of the upstreams that can be reached; the gateway introduces itself even when none can. */
async function profiles(parts: FederationParts, view: View, era: Era): Promise<Known[]> {
  if (view.scope.kind === "gateway") {
    const [upstream] = view.upstreams;
    return upstream === undefined
      ? []
      : [{ upstream, profile: await parts.profile(upstream, era, parts.listTimeoutMs) }];
  }
  const found = await Promise.allSettled(
    view.upstreams.map((upstream) => parts.profile(upstream, era, parts.listTimeoutMs)),
  );
  return found.flatMap((outcome, index) => {
    const upstream = view.upstreams[index];
    return outcome.status === "fulfilled" && upstream !== undefined ? [{ upstream, profile: outcome.value }] : [];
  });
}

/** An upstream's capabilities without those that cannot cross, as raw JSON. */
function carried(profile: UpstreamProfile, dropped: ReadonlySet<string>): string {
  const bytes = profile.capabilities;
  const kept = members(bytes, { start: 0, end: bytes.length }).filter(({ key }) => !dropped.has(key));
  return `{${kept.map(({ keyStart, value }) => bytes.toString("utf8", keyStart, value.end)).join(",")}}`;
}

/** The instructions of each upstream under its slug, so that a model knows which prefix they speak of. */
function instructions(view: View, known: readonly Known[]): string {
  const texts = known.flatMap(({ upstream, profile }) =>
    profile.instructions === undefined || profile.instructions === ""
      ? []
      : [view.prefixed ? `# ${upstream.record.slug}\n${profile.instructions}` : profile.instructions],
  );
  return texts.length === 0 ? "" : `,"instructions":${JSON.stringify(texts.join("\n\n"))}`;
}

/** True when the profile declares the capability, at `path` when one is given (for example resources.subscribe). */
export function declares(profile: UpstreamProfile, capability: string, flag?: string): boolean {
  const bytes = profile.capabilities;
  const span = memberAt(bytes, { start: 0, end: bytes.length }, capability);
  if (span === undefined || flag === undefined) return span !== undefined;
  const value = memberAt(bytes, span, flag);
  return value !== undefined && bytes.toString("latin1", value.start, value.end) === "true";
}

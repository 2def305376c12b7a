/** One deployment to ask: two engines over one database, callers of every role, things of every visibility. */
import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { makeToken } from "../../../gateway/accounts/api-token.ts";
import { layFoundation } from "../../../gateway/foundation.ts";
import { openDatabase } from "../../../gateway/open-database.ts";
import { openRooms } from "../../../gateway/rooms.ts";
import { loadSettings } from "../../../gateway/settings/index.ts";
import type { GatewayInput, Store, TokenInput } from "../../../gateway/store/index.ts";
import { Teardown } from "../../../gateway/teardown.ts";
import { createMetrics } from "../../../gateway/telemetry/index.ts";
import { silentLog } from "../coordination/log.ts";

export const ENGINES = ["fastify", "bounded"] as const;
export type Engine = (typeof ENGINES)[number];
export const VISIBILITIES = ["public", "team", "private"] as const;
export type Visibility = (typeof VISIBILITIES)[number];
export const ROLES = [
  "anonymous",
  "viewer",
  "developer",
  "teamAdmin",
  "otherAdmin",
  "platformViewer",
  "platformAdmin",
] as const;
export type Role = (typeof ROLES)[number];
/** Of an API token; `whole` is a login. */
export const SCOPES = ["whole", "reading", "team", "server"] as const;
export type Scope = (typeof SCOPES)[number];

const SECRET = "0123456789abcdef0123456789abcdef";
/** Each deletion takes one, so that every question finds the world as it was. */
const SPARE = 16;

export const emailOf = (role: Exclude<Role, "anonymous">) => `${role.toLowerCase()}@example.com`;
/** Owns everything there is, and asks nothing. */
export const OWNER = "owner@example.com";

export type Thing = "gateways" | "servers" | "tools" | "resources" | "prompts";
export type World = {
  readonly urls: Readonly<Record<Engine, string>>;
  readonly store: Store;
  /** Team that things belong to, another one, and one that cannot be left. */
  readonly teams: { readonly ours: string; readonly theirs: string; readonly personal: string };
  /** `Authorization` of a caller. */
  header(role: Role, scope: Scope): string | undefined;
  /** A login of its own. */
  login(role: Exclude<Role, "anonymous">): Promise<string>;
  /** A thing that stays, or with `spare` one that nobody else asks about. */
  thing(kind: Thing, visibility: Visibility, use: "kept" | "spare"): string;
  /** An API token of a user, live. */
  readonly tokens: Readonly<Record<string, string>>;
  close(): Promise<void>;
};

export async function openWorld(): Promise<World> {
  const dataDir = await mkdtemp(join(tmpdir(), "access-"));
  const teardown = new Teardown(silentLog);
  const settingsFor = (engine: Engine) =>
    loadSettings({
      env: {
        HOST: "127.0.0.1",
        PORT: "0",
        DATA_DIR: dataDir,
        HTTP_SERVER: engine,
        JWT_SECRET_KEY: SECRET,
        MCP_EXAMPLE_SERVER: "false",
      },
      directory: dataDir,
    });
  const loaded = settingsFor("fastify");
  const foundation = await layFoundation(loaded, true, {}, silentLog, teardown);
  const { settings } = loaded;
  const store = await openDatabase(foundation.database, settings, foundation.secrets, silentLog, teardown);
  const teams = await people(store);
  const things = await fill(store, teams.ours);
  const headers = await proofs(store, teams.ours, things.kept("servers", "public"));
  const urls: Record<string, string> = {};
  for (const engine of ENGINES) {
    const metrics = createMetrics();
    const rooms = await openRooms({
      ...settingsFor(engine),
      foundation,
      log: silentLog,
      teardown,
      metrics,
      workerId: `w-${engine}`,
      fingerprint: "f",
      isAlone: true,
      reusePort: false,
      withExample: false,
      metricsText: () => metrics.render(),
    });
    urls[engine] = `http://127.0.0.1:${rooms.port}`;
  }
  const { fastify = "", bounded = "" } = urls;
  return {
    urls: { fastify, bounded },
    store,
    teams,
    tokens: headers.ids,
    header: headers.of,
    login,
    thing: (kind, visibility, use) => (use === "kept" ? things.kept(kind, visibility) : things.spare(kind, visibility)),
    async close() {
      await teardown.run();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function people(store: Store): Promise<World["teams"]> {
  const user = (email: string, admin = false) =>
    store.createAccount(
      { email, fullName: "", passwordHash: null, mustChangePassword: false, active: true, admin, source: "local" },
      undefined,
    );
  for (const role of ROLES) if (role !== "anonymous") await user(emailOf(role), role === "platformAdmin");
  await user(OWNER);
  const team = async (slug: string, createdBy: string, personal = false) => {
    const rest = { description: "", visibility: "private", maxMembers: null } as const;
    return (await store.createTeam({ name: slug, slug, createdBy, personal, ...rest })).id;
  };
  const ours = await team("ours", emailOf("teamAdmin"));
  const theirs = await team("theirs", emailOf("otherAdmin"));
  const personal = await team("alone", emailOf("teamAdmin"), true);
  const bounds = { perUser: 50, perTeam: 100 };
  for (const email of [OWNER, emailOf("viewer"), emailOf("developer")]) {
    await store.putMember(ours, email, "member", bounds);
    await store.putMember(personal, email, "member", bounds);
  }
  const assign = (role: Exclude<Role, "anonymous">, roleId: string, scopeId: string | null) =>
    store.assignRole({ email: emailOf(role), roleId, scopeId, grantedBy: OWNER, expiresAt: null });
  await assign("developer", "developer", ours);
  await assign("platformViewer", "platform_viewer", null);
  return { ours, theirs, personal };
}

async function fill(store: Store, teamId: string) {
  const ids = new Map<string, string[]>();
  const put = (kind: Thing, visibility: Visibility, id: string) => {
    const key = `${kind} ${visibility}`;
    ids.set(key, [...(ids.get(key) ?? []), id]);
  };
  const library = { originalName: "file:///taken", definition: '{"name":"taken","uri":"file:///taken"}' };
  await store.createHosted({ kind: "resource", ...library, body: "", encoding: "text" }, {});
  const prompt = { originalName: "taken", definition: '{"name":"taken"}', body: "", encoding: "text" } as const;
  await store.createHosted({ kind: "prompt", ...prompt }, {});
  for (const visibility of VISIBILITIES) {
    const owned = { visibility, teamId, ownerEmail: OWNER, enabled: true, tags: [] };
    const names = Array.from({ length: SPARE }, (_, index) => `${visibility}-${index}`);
    for (const name of names) {
      const server = { name, description: "", icon: null, gatewayIds: [], itemIds: [], ...owned };
      const modes = { prefixMode: "conditional", failureMode: "open" } as const;
      put("servers", visibility, (await store.createServer({ ...server, ...modes })).id);
      put("gateways", visibility, (await store.createGateway({ ...UPSTREAM, ...owned, name, slug: name })).id);
    }
    const kinds = { tool: "tools", resource: "resources", prompt: "prompts" } as const;
    const items = Object.keys(kinds).flatMap((kind) =>
      names.map((name) => ({
        kind: kind as keyof typeof kinds,
        originalName: name,
        definition: JSON.stringify({ name }),
      })),
    );
    const listed = { capabilities: "{}", instructions: null, items, incomplete: [], note: null };
    const slug = `items-${visibility}`;
    const { id } = await store.createGateway({ ...UPSTREAM, ...owned, name: slug, slug }, { ok: true, ...listed });
    const query = { limit: 0, after: 0, includeInactive: false, gatewayId: id };
    const all = { id: null, admin: true, teams: [] };
    for (const [kind, name] of Object.entries(kinds)) {
      const page = await store.listItems([kind as keyof typeof kinds], query, all);
      for (const row of page.rows) put(name, visibility, row.id);
    }
  }
  const of = (kind: Thing, visibility: Visibility) => ids.get(`${kind} ${visibility}`) ?? [];
  return {
    kept: (kind: Thing, visibility: Visibility) => of(kind, visibility)[0] ?? "none",
    spare(kind: Thing, visibility: Visibility) {
      const left = of(kind, visibility);
      if (left.length < 2) throw new Error(`no ${visibility} ${kind} are left: make SPARE larger`);
      return left.pop() ?? "none";
    },
  };
}

const UPSTREAM: Omit<GatewayInput, "name" | "slug" | "visibility" | "teamId" | "ownerEmail" | "enabled" | "tags"> = {
  description: "",
  transport: "STREAMABLEHTTP",
  // Nobody listens there, and nobody is asked.
  url: "http://127.0.0.1:9/mcp",
  stdio: null,
  era: "legacy",
  authHeaders: {},
  authType: "none",
  passthroughHeaders: [],
  requestTimeoutMs: 1000,
  source: "api",
};

async function login(role: Exclude<Role, "anonymous">): Promise<string> {
  const claims = new SignJWT({}).setProtectedHeader({ alg: "HS256" }).setSubject(emailOf(role)).setJti(randomUUID());
  const whole = claims.setAudience("mcpgateway-api").setIssuer("mcpgateway").setIssuedAt().setExpirationTime("1h");
  return `Bearer ${await whole.sign(new TextEncoder().encode(SECRET))}`;
}

async function proofs(store: Store, teamId: string, serverId: string) {
  const headers = new Map<string, string>();
  const ids: Record<string, string> = {};
  const none: Omit<TokenInput, "name" | "email"> = {
    description: "",
    teamId: null,
    serverId: null,
    permissions: null,
    addresses: [],
    hours: null,
    limits: null,
    tags: [],
    expiresAt: null,
  };
  const narrow: Record<Exclude<Scope, "whole">, Partial<TokenInput>> = {
    reading: { permissions: ["servers.read", "tools.read"] },
    team: { teamId },
    server: { serverId },
  };
  for (const role of ROLES) {
    if (role === "anonymous") continue;
    const email = emailOf(role);
    headers.set(`${role} whole`, await login(role));
    for (const [scope, fields] of Object.entries(narrow)) {
      const { token, hash } = makeToken();
      const made = await store.createToken({ ...none, ...fields, email, name: scope }, hash);
      headers.set(`${role} ${scope}`, `Bearer ${token}`);
      ids[`${role} ${scope}`] = made.id;
    }
  }
  return { ids, of: (role: Role, scope: Scope) => headers.get(`${role} ${scope}`) };
}

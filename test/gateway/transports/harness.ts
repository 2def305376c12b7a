/** Shared by tests of federation, conversations and transports: made-up upstreams behind the real rooms, in one process. */
import { randomUUID } from "node:crypto";
import { type Fault, fault } from "../../../contract/errors.ts";
import { Bulkheads, createAdmission } from "../../../gateway/admission/index.ts";
import { type ApplicationParts, createApplication } from "../../../gateway/application.ts";
import { type Auth, type AuthOptions, createAuth } from "../../../gateway/auth/index.ts";
import { joinWatches } from "../../../gateway/call-watch.ts";
import { memoryState, type SharedState, workerPresence } from "../../../gateway/coordination/index.ts";
import { type EngineName, engines, TrustedProxies } from "../../../gateway/engine/index.ts";
import { createFederation, type Federation } from "../../../gateway/federation/index.ts";
import { type Envelope, scanMessage } from "../../../gateway/mcp/index.ts";
import { registryDescription } from "../../../gateway/registry/index.ts";
import {
  type CallWatch,
  type Conversations,
  createConversations,
  createMailbox,
  createReplayRoom,
  createReplays,
  createSealer,
  createSessionRoom,
  createSessionTokens,
  createTombstones,
  createWorkerPost,
  parseKeyRing,
} from "../../../gateway/sessions/index.ts";
import { placesOf } from "../../../gateway/start-admission.ts";
import type { CatalogueSnapshot, GatewayRecord, ItemRecord, ServerRecord } from "../../../gateway/store/index.ts";
import {
  createEdge,
  createHttpSse,
  createKeepalive,
  createPatience,
  createTakeover,
  createWebSockets,
  type TransportParts,
} from "../../../gateway/transports/index.ts";
import type {
  Holder,
  OutboundMessage,
  ReplySink,
  UpstreamProfile,
  Upstreams,
  UpstreamTarget,
} from "../../../gateway/upstreams/index.ts";
import { quietLog } from "../upstreams/harness.ts";

const NEVER = "2026-01-01T00:00:00.000Z";

export function gateway(slug: string, changes: Partial<GatewayRecord> = {}): GatewayRecord {
  return {
    id: `id-${slug}`,
    slug,
    name: slug,
    description: "",
    transport: "STREAMABLEHTTP",
    url: `http://127.0.0.1:1/${slug}`,
    stdio: null,
    era: "auto",
    authHeaders: {},
    authType: "none",
    passthroughHeaders: [],
    requestTimeoutMs: null,
    tags: [],
    visibility: "public",
    teamId: null,
    ownerEmail: null,
    enabled: true,
    reachable: true,
    lastError: null,
    lastSeen: null,
    lastRefreshAt: null,
    capabilities: {},
    instructions: null,
    source: "api",
    revision: "r1",
    createdAt: NEVER,
    updatedAt: NEVER,
    ...changes,
  };
}

export function item(
  slug: string,
  kind: ItemRecord["kind"],
  name: string,
  changes: Partial<ItemRecord> = {},
): ItemRecord {
  return {
    id: `${slug}/${kind}/${name}`,
    kind,
    gatewayId: `id-${slug}`,
    originalName: name,
    customName: null,
    enabled: true,
    visibility: "public",
    teamId: null,
    ownerEmail: null,
    headerDefinition: null,
    repeatable: false,
    ...changes,
  };
}

export function virtualServer(slugs: readonly string[], changes: Partial<ServerRecord> = {}): ServerRecord {
  return {
    id: "server",
    name: "server",
    description: "",
    icon: null,
    tags: [],
    gatewayIds: slugs.map((slug) => `id-${slug}`),
    itemIds: [],
    prefixMode: "conditional",
    failureMode: "open",
    visibility: "public",
    teamId: null,
    ownerEmail: null,
    enabled: true,
    createdAt: NEVER,
    updatedAt: NEVER,
    ...changes,
  };
}

export function snapshot(changes: Partial<CatalogueSnapshot>): CatalogueSnapshot {
  return { version: 1, gateways: [], servers: [], items: [], ...changes };
}

/** One request as a made-up upstream sees it, and the means to answer. */
export type Exchanged = {
  readonly slug: string;
  readonly target: UpstreamTarget;
  readonly holder: Holder;
  readonly message: OutboundMessage;
  readonly envelope: Envelope;
  /** The message as an object. */
  readonly json: { id?: unknown; method: string; params?: Record<string, unknown> };
  readonly sink: ReplySink;
  cancelled: boolean;
  /** Nothing more is to be sent until the one who asked takes more. */
  paused: boolean;
  result(value: unknown): void;
  error(code: number, text: string, data?: unknown): void;
  /** Any other message before the answer. */
  say(message: object): void;
  fail(failure: Fault): void;
};

export type UpstreamScript = {
  readonly era: "legacy" | "modern";
  readonly capabilities?: object;
  readonly sessionless?: boolean;
  /** Answers a request, now or later. */
  answer(call: Exchanged): void;
};

/** Upstreams without a network: each answers as its script says. */
export class FakeUpstreams implements Upstreams {
  readonly waiting = 0;
  readonly scripts: Record<string, UpstreamScript>;
  readonly requests: Exchanged[] = [];
  readonly listens: Exchanged[] = [];
  readonly notified: { readonly slug: string; readonly holder: string; readonly json: Record<string, unknown> }[] = [];
  readonly released: string[] = [];
  readonly subscribed: string[] = [];
  readonly open = new Map<string, Set<string>>();

  constructor(scripts: Record<string, UpstreamScript>) {
    this.scripts = scripts;
  }

  async profile(target: UpstreamTarget): Promise<UpstreamProfile> {
    const script = this.scripts[target.slug];
    if (script === undefined) throw new Error(`no script for ${target.slug}`);
    const all = { tools: { listChanged: true }, prompts: {}, resources: { subscribe: true, listChanged: true } };
    return {
      era: script.era,
      protocolVersion: script.era === "legacy" ? "2025-11-25" : "2026-07-28",
      sessionless: script.sessionless ?? false,
      capabilities: Buffer.from(JSON.stringify(script.capabilities ?? all)),
      serverInfo: Buffer.from(JSON.stringify({ name: target.slug, version: "1" })),
    };
  }

  #exchange(target: UpstreamTarget, holder: Holder, message: OutboundMessage, sink: ReplySink): Exchanged {
    const envelope = scanMessage(message.body);
    const json = JSON.parse(message.body.toString()) as Exchanged["json"];
    const say = (value: object): void => {
      if (exchange.cancelled) return;
      const raw = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...value }));
      let scanned: Envelope;
      try {
        scanned = scanMessage(raw);
      } catch (error) {
        // As the room itself does with what is no message.
        exchange.cancelled = true;
        sink.fail(fault("MCPS_UPSTREAM_PROTOCOL", { upstream: target.slug, reason: String(error) }));
        return;
      }
      sink.message(raw, 200, scanned);
    };
    const exchange: Exchanged = {
      slug: target.slug,
      target,
      holder,
      message,
      envelope,
      json,
      sink,
      cancelled: false,
      paused: false,
      say,
      result: (value) => {
        say({ id: json.id, result: value });
        if (!exchange.cancelled) sink.end();
      },
      error: (code, text, data) => {
        say({ id: json.id, error: { code, message: text, ...(data === undefined ? {} : { data }) } });
        if (!exchange.cancelled) sink.end();
      },
      fail: (failure) => {
        if (!exchange.cancelled) sink.fail(failure);
      },
    };
    return exchange;
  }

  request(target: UpstreamTarget, holder: Holder, message: OutboundMessage, sink: ReplySink) {
    const exchange = this.#exchange(target, holder, message, sink);
    this.requests.push(exchange);
    this.open.set(holder.key, (this.open.get(holder.key) ?? new Set()).add(target.id));
    queueMicrotask(() => {
      if (!exchange.cancelled) this.scripts[target.slug]?.answer(exchange);
    });
    return {
      cancel: () => {
        exchange.cancelled = true;
      },
      pause: () => {
        exchange.paused = true;
      },
      resume: () => {
        exchange.paused = false;
      },
    };
  }

  async notify(target: UpstreamTarget, holder: Holder, message: OutboundMessage): Promise<void> {
    const json = JSON.parse(message.body.toString()) as Record<string, unknown>;
    this.notified.push({ slug: target.slug, holder: holder.key, json });
  }

  listen(target: UpstreamTarget, holder: Holder, sink: ReplySink) {
    const message = { body: Buffer.from('{"jsonrpc":"2.0","method":"listen"}'), method: "listen" };
    const exchange = this.#exchange(target, holder, message, sink);
    this.listens.push(exchange);
    return {
      cancel: () => {
        exchange.cancelled = true;
      },
    };
  }

  async setLogLevel(): Promise<void> {}
  async setSubscription(target: UpstreamTarget, holder: Holder, uri: string, wanted: boolean): Promise<void> {
    this.subscribed.push(`${wanted ? "+" : "-"}${target.slug} ${holder.key.slice(0, 2)} ${uri}`);
  }
  async held(key: string) {
    return { upstreamIds: [...(this.open.get(key) ?? [])], subscriptions: [] };
  }
  async release(key: string): Promise<void> {
    this.released.push(key);
    this.open.delete(key);
  }
  async inspect(): Promise<never> {
    throw new Error("not scripted");
  }
  async fetchDocument(): Promise<never> {
    throw new Error("not scripted");
  }
  async probe(): Promise<void> {}
  async endExpired(): Promise<number> {
    return 0;
  }
  sessionFigures() {
    return { open: 0, evicted: 0, pool: undefined };
  }
  circuits() {
    return [];
  }
  onCircuit() {
    return () => undefined;
  }
  hintCircuit(): void {}
  forget(): void {}
  async remove(): Promise<void> {}
  async close(): Promise<void> {}

  /** The newest request of a method. */
  last(method: string): Exchanged {
    const found = this.requests.findLast(({ json }) => json.method === method);
    if (found === undefined) throw new Error(`no ${method} was sent`);
    return found;
  }
}

export type Rooms = {
  readonly upstreams: FakeUpstreams;
  readonly federation: Federation;
  readonly conversations: Conversations;
  readonly state: SharedState;
  readonly transports: TransportParts;
  readonly warnings: string[];
  readonly parked: () => number;
  readonly streams: () => number;
  readonly clock: { now: number };
  /** The worker counts as dead from now on. */
  die(): Promise<void>;
  close(): Promise<void>;
};

export type RoomsOptions = {
  readonly catalogue: CatalogueSnapshot;
  readonly scripts: Record<string, UpstreamScript>;
  readonly state?: SharedState;
  readonly workerId?: string;
  readonly clientTimeoutMs?: number;
  readonly maxInFlight?: number;
  readonly maxStreams?: number;
  /** Time for the body of somebody of whom nobody knows yet who it is; with it, those hold half of the slots at most. */
  readonly strangersBodyMs?: number;
  readonly watches?: readonly CallWatch[];
};

const KEYS = `k1:${Buffer.alloc(32, 7).toString("base64url")}`;
let ids = 0;

export async function rooms(options: RoomsOptions): Promise<Rooms> {
  const state = options.state ?? memoryState();
  const workerId = options.workerId ?? randomUUID();
  const clock = { now: Date.now() };
  const warnings: string[] = [];
  const log = {
    ...quietLog,
    warn: (event: string) => void warnings.push(event),
    error: (event: string) => void warnings.push(event),
  };
  const upstreams = new FakeUpstreams(options.scripts);
  let parked = 0;
  let streams = 0;
  const federation = createFederation(
    {
      upstreams,
      log,
      identity: { name: "gw", title: "gw", version: "1" },
      separator: "__",
      listTimeoutMs: 1000,
      callTimeoutMs: 5000,
      nextId: () => String(++ids),
      countPartial: () => undefined,
    },
    options.catalogue,
  );
  const sealer = createSealer(parseKeyRing(KEYS));
  const presence = workerPresence(state, workerId);
  await presence.start();
  const mailbox = createMailbox(state, workerId, { log, presence });
  await mailbox.start();
  const admission = createAdmission({
    maxInFlight: options.maxInFlight ?? 0,
    maxStreams: options.maxStreams ?? 0,
    strangersBodyMs: options.strangersBodyMs,
  });
  const conversations = createConversations({
    places: new Bulkheads({ slots: () => admission.callSlots, share: 1, maxLists: 0, refused: () => undefined }),
    watch: joinWatches(options.watches ?? []),
    federation,
    state,
    sealing: sealer,
    post: createWorkerPost(mailbox, presence),
    workerId,
    log,
    counters: {
      request: () => undefined,
      parked: (delta) => {
        parked += delta;
      },
    },
    now: () => clock.now,
    clientTimeoutMs: options.clientTimeoutMs ?? 60_000,
  });
  await conversations.start();
  const takeover = createTakeover(state, workerId, log);
  const tombstones = createTombstones(state, { log, onEnded: (sessionId) => takeover.letGo(sessionId) });
  await tombstones.start();
  const replays = createReplays({ state, workerId, presence, log, cap: 100, ttlMs: 60_000 });
  const keepalive = createKeepalive(60_000);
  const transports: TransportParts & { admission: typeof admission } = {
    federation,
    conversations,
    sessions: createSessionRoom(createSessionTokens(sealer), tombstones, 600_000, Date.now),
    replay: createReplayRoom(replays),
    takeover,
    keepalive,
    patience: createPatience(60_000, Date.now),
    streams: { keepaliveMs: 60_000, retryMs: 1000, lingerMs: 1000 },
    maxBatch: 100,
    log,
    now: Date.now,
    ...placesOf(admission),
    hold: () => () => undefined,
    countStream: (_kind, delta) => {
      streams += delta;
    },
    admission,
  };
  return {
    upstreams,
    federation,
    conversations,
    state,
    transports,
    warnings,
    parked: () => parked,
    streams: () => streams,
    clock,
    die: () => presence.close(),
    async close() {
      keepalive.close();
      await conversations.close();
      await replays.close();
      await tombstones.close();
      await mailbox.close();
      await presence.close();
      if (options.state === undefined) await state.close();
    },
  };
}

export type Served = Rooms & {
  readonly url: string;
  readonly port: number;
  readonly drain: (deadlineMs: number) => Promise<unknown>;
  readonly admission: ReturnType<typeof createAdmission>;
  readonly auth: Auth;
  readonly inFlight: () => number;
  /** In order: `http <class> <status>`, `error <code>`, `log request <method> <path> <status>`. */
  readonly records: string[];
};

export const engineNames = Object.keys(engines) as EngineName[];

export type ServedOptions = RoomsOptions & {
  readonly engine: EngineName;
  readonly allowedHosts?: readonly string[];
  readonly allowedOrigins?: readonly string[];
  /** Answers for anybody, besides /health. */
  readonly open?: ApplicationParts["open"];
  /** Who may come; its clock is that of the rooms. Without it everybody is an anonymous administrator. */
  readonly auth?: Partial<AuthOptions>;
  readonly limits?: NonNullable<ApplicationParts["limits"]>;
};

/** The whole gateway over made-up upstreams, behind one of the engines on a free port. */
export async function served(options: ServedOptions): Promise<Served> {
  const inner = await rooms(options);
  const { admission, ...rest } = inner.transports as Rooms["transports"] & {
    admission: ReturnType<typeof createAdmission>;
  };
  const transports: TransportParts = { ...rest, hold: (principal, end) => auth.hold(principal, end) };
  const httpSse = createHttpSse(transports, inner.state);
  const webSockets = createWebSockets(transports, 60_000);
  const auth = createAuth({
    secret: undefined,
    algorithm: "HS256",
    audience: "a",
    issuer: "i",
    required: false,
    metricsToken: undefined,
    cacheMs: 60_000,
    adminEmail: "admin@example.com",
    anonymousIsAdmin: true,
    now: () => inner.clock.now,
    ...options.auth,
  });
  const records: string[] = [];
  const application = createApplication({
    admission,
    edge: createEdge({ allowedHosts: options.allowedHosts ?? [], allowedOrigins: options.allowedOrigins ?? [] }),
    auth,
    rest: { registry: { description: registryDescription, handle: async () => ({ status: 200, body: {} }) } },
    guards: { admit: () => undefined },
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    transports,
    httpSse,
    webSockets,
    maxBodyBytes: 1_000_000,
    pathPrefix: "",
    log: {
      ...transports.log,
      info: (event, fields) => void records.push(`log ${event} ${fields?.method} ${fields?.path} ${fields?.status}`),
    },
    open: { health: () => ({ status: 200, body: { status: "healthy" } }), ...options.open },
    own: {},
    counters: {
      http: (routeClass, status) => void records.push(`http ${routeClass} ${status}`),
      error: (code) => void records.push(`error ${code}`),
    },
    accessLog: true,
  });
  const engine = engines[options.engine](
    {
      host: "127.0.0.1",
      port: 0,
      headTimeoutMs: 10_000,
      bodyTimeoutMs: 10_000,
      keepAliveMs: 5000,
      maxHeadBytes: 32_768,
      maxBufferBytes: 5 * 1024 * 1024,
      reusePort: false,
      httpVersions: "auto",
      tls: undefined,
      webSockets: true,
      trustedProxies: new TrustedProxies([]),
      pathPrefix: "",
      pipelineFlush: true,
      warn: () => undefined,
      backlog: 100,
    },
    application,
  );
  const [address] = await engine.listen();
  const port = address?.port ?? 0;
  return {
    ...inner,
    url: `http://127.0.0.1:${port}`,
    port,
    drain: (deadlineMs) => engine.drain(deadlineMs),
    admission,
    auth,
    records,
    inFlight: () => {
      const { call, list, control, stream } = admission.gauges().inFlight;
      return call + list + control + stream;
    },
    async close() {
      webSockets.close();
      await engine.close();
      await inner.close();
    },
  };
}

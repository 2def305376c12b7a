/**
 * The directory over the store. What was read of a caller is kept for a short while; a change is told to every process, and one whose
 * message was lost is seen by the identity version. Revocations are read from the database, never from a store that may forget.
 */
import type { Directory, DirectoryChange, Identity, Standing } from "../auth/index.ts";
import { type Cache, type Caches, createCache } from "../cache/index.ts";
import type { SharedState } from "../coordination/index.ts";
import type { AccountOperations, StandingRecord } from "../store/index.ts";
import type { Log } from "../telemetry/index.ts";
import { type DefaultRoles, defaultRoles, standingFor, strangerFor } from "./grants.ts";

const CHANNEL = "identity";
const RECHECK_MS = 5000;
const MAX_KNOWN = 10_000;

export type DirectoryOptions = {
  readonly store: Pick<AccountOperations, "standingOf" | "isRevoked" | "identityVersion" | "listRoles">;
  readonly state: SharedState;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Makes the caches; without it they are its own, kept and counted by nobody else. */
  readonly caches?: Pick<Caches, "create"> | undefined;
  readonly userTtlMs: number;
  readonly revocationTtlMs: number;
  /** Only users are let in. */
  readonly requireUser: boolean;
  /** Roles that come by themselves, by name. */
  readonly defaults: { readonly user: string; readonly teamOwner: string; readonly teamMember: string };
};

export interface AccountDirectory extends Directory {
  /** Has to follow every change in the store: forgets here at once and tells the others. Never rejects. */
  changed(change: DirectoryChange): Promise<void>;
  /** In this process alone: what is remembered is to be looked at again. */
  forget(change: DirectoryChange): void;
  close(): Promise<void>;
}

export async function openDirectory(options: DirectoryOptions): Promise<AccountDirectory> {
  const directory = new StoredDirectory(options);
  await directory.start();
  return directory;
}

type Defaults = { readonly roles: DefaultRoles };

class StoredDirectory implements AccountDirectory {
  readonly #options: DirectoryOptions;
  readonly #listeners = new Set<(change: DirectoryChange) => void>();
  readonly #users: Cache<StandingRecord>;
  readonly #revoked: Cache<boolean>;
  readonly #defaults: Cache<Defaults>;
  readonly #warned = new Set<string>();
  #version = 0;
  #timer: NodeJS.Timeout | undefined;
  #leave: (() => Promise<void>) | undefined;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    const { store, now, userTtlMs, revocationTtlMs } = options;
    const create: Caches["create"] = (recipe) => options.caches?.create(recipe) ?? createCache({ ...recipe, now });
    const common = { maxEntries: MAX_KNOWN };
    this.#users = create({
      ...common,
      name: "identity-users",
      ttlMs: userTtlMs,
      negativeTtlMs: userTtlMs,
      load: (email) => store.standingOf(email),
    });
    this.#revoked = create({
      ...common,
      name: "identity-revocations",
      ttlMs: revocationTtlMs,
      load: (jti) => store.isRevoked(jti),
    });
    this.#defaults = create({
      ...common,
      name: "identity-defaults",
      ttlMs: userTtlMs,
      load: async () => ({ roles: await this.#readDefaults() }),
    });
  }

  async start(): Promise<void> {
    const { state, store, log } = this.#options;
    this.#leave = await state.subscribe(CHANNEL, (message) => this.#heard(message));
    this.#version = await store.identityVersion();
    if (state.kind === "memory") return;
    const warn = (error: unknown) => log.warn("changes of rights cannot be looked for", { reason: String(error) });
    this.#timer = setInterval(() => void this.#look().catch(warn), RECHECK_MS).unref();
  }

  standingOf(identity: Identity): Standing | Promise<Standing> {
    const { kind, tokenId, subject } = identity;
    // A stored token's own revocation was read with it.
    const revoked = tokenId === undefined || kind === "api-token" ? false : this.#revoked.get(tokenId);
    const record = this.#users.get(subject.toLowerCase());
    const defaults = this.#defaults.get("");
    const isThere = !(revoked instanceof Promise) && !(record instanceof Promise) && !(defaults instanceof Promise);
    if (isThere) return this.#decide(identity, revoked, record, defaults);
    return Promise.all([revoked, record, defaults]).then((all) => this.#decide(identity, ...all));
  }

  onChanged(listener: (change: DirectoryChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async changed(change: DirectoryChange): Promise<void> {
    const { state, store, log } = this.#options;
    this.forget(change);
    if (state.kind === "memory") return;
    try {
      const version = await store.identityVersion();
      this.#version = Math.max(this.#version, version);
      await state.publish(CHANNEL, JSON.stringify({ ...change, version }));
    } catch (error) {
      // The others see it by the version, or when what they believe ends.
      log.warn("a change of rights could not be told to the other processes", { reason: String(error) });
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#leave?.();
  }

  #decide(
    identity: Identity,
    revoked: boolean | undefined,
    record: StandingRecord | undefined,
    defaults: Defaults | undefined,
  ): Standing {
    if (revoked === true) return { admitted: false, why: "revoked" };
    if (record === undefined) {
      if (this.#options.requireUser || identity.kind === "api-token") return { admitted: false, why: "unknown" };
      return strangerFor(identity);
    }
    return standingFor(identity, record, defaults?.roles ?? NO_ROLES, this.#options.now());
  }

  async #readDefaults(): Promise<DefaultRoles> {
    const { store, defaults, log } = this.#options;
    return defaultRoles(defaults, await store.listRoles(), (name) => {
      if (this.#warned.has(name)) return;
      this.#warned.add(name);
      log.warn("no role has the name that a setting gives", { role: name });
    });
  }

  #heard(message: string): void {
    const told = readChange(message);
    const isNext = told !== undefined && told.version <= this.#version + 1;
    this.#version = Math.max(this.#version, told?.version ?? 0);
    this.forget(told === undefined || !isNext ? {} : told.change);
  }

  async #look(): Promise<void> {
    const version = await this.#options.store.identityVersion();
    if (version === this.#version) return;
    // A database that was set back to an older state counts from there.
    this.#version = version;
    this.forget({});
  }

  forget(change: DirectoryChange): void {
    const { subject, tokenId } = change;
    const isAll = subject === undefined && tokenId === undefined;
    if (isAll) {
      for (const cache of [this.#users, this.#revoked, this.#defaults]) void cache.invalidateAll();
    }
    if (subject !== undefined) void this.#users.invalidate(subject.toLowerCase());
    if (tokenId !== undefined) void this.#revoked.invalidate(tokenId);
    for (const listener of this.#listeners) listener(change);
  }
}

const NO_ROLES: DefaultRoles = { user: [], teamOwner: [], teamMember: [] };

/** Undefined for a message of another program's version: then everything is forgotten. */
function readChange(message: string): { readonly version: number; readonly change: DirectoryChange } | undefined {
  try {
    const value: unknown = JSON.parse(message);
    if (typeof value !== "object" || value === null) return undefined;
    const [subject, tokenId, version] = ["subject", "tokenId", "version"].map((key): unknown =>
      Reflect.get(value, key),
    );
    if (typeof version !== "number") return undefined;
    const change = {
      ...(typeof subject === "string" ? { subject } : {}),
      ...(typeof tokenId === "string" ? { tokenId } : {}),
    };
    return { version, change };
  } catch {
    return undefined;
  }
}

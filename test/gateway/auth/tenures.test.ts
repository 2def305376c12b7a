/** Connections that stay: each kind, on both engines, ends with the proof it was opened with, and not before. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { fault } from "../../../contract/errors.ts";
import type { Principal } from "../../../contract/principal.ts";
import type { Directory, DirectoryChange, Identity, Standing } from "../../../gateway/auth/index.ts";
import { Tenures } from "../../../gateway/auth/tenures.ts";
import { catalogue, initialize, SECRET } from "../checks.ts";
import { engineNames, served } from "../transports/harness.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  vi.useRealTimers();
});

const LET_IN: Standing = { admitted: true, admin: false, oversees: false, teams: [] };

function switchable() {
  const listeners: ((change: DirectoryChange) => void)[] = [];
  const answers = { standing: (_: Identity): Standing | Promise<Standing> => LET_IN };
  const directory: Directory = {
    standingOf: (identity) => answers.standing(identity),
    onChanged(listener) {
      listeners.push(listener);
      return () => undefined;
    },
  };
  const changed = (change: DirectoryChange) => {
    for (const listener of listeners) listener(change);
  };
  return { directory, answers, changed };
}

describe.each(engineNames)("a connection that stays (%s)", (engine) => {
  async function enter() {
    const { directory, answers, changed } = switchable();
    const script = { era: "legacy" as const, answer: () => undefined };
    const gateway = await served({
      engine,
      catalogue,
      scripts: { one: script, two: script },
      auth: { secret: SECRET, required: true, anonymousIsAdmin: false, directory },
    });
    closers.push(() => gateway.close());
    const bearer = async (username: string) =>
      `Bearer ${await gateway.auth.mint({ username, expMinutes: 60, id: `of-${username}` })}`;
    return { gateway, answers, changed, bob: await bearer("bob"), eve: await bearer("eve") };
  }
  type World = Awaited<ReturnType<typeof enter>>;

  /** Resolves with the connection's end, once it is open. */
  type Opened = { readonly ended: Promise<unknown>; close(): void };
  const kinds: readonly [string, (world: World, authorization: string) => Promise<Opened>, unknown][] = [
    ["a GET stream", (world, authorization) => openGet(world, authorization), "end"],
    ["a stream of HTTP+SSE", ({ gateway }, authorization) => stream(`${gateway.url}/sse`, { authorization }), "end"],
    ["a stream that listens", (world, authorization) => listen(world, authorization), "end"],
    [
      "a WebSocket",
      ({ gateway }, authorization) => webSocket(gateway.port, authorization),
      [1008, "the token has ended: connect again"],
    ],
  ];

  it.each(kinds)("%s ends when its token is revoked, and nobody else's does", async (_, open, end) => {
    const world = await enter();
    const [mine, other] = await Promise.all([open(world, world.bob), open(world, world.eve)]);
    world.changed({ tokenId: "of-bob" });
    expect(await mine.ended).toEqual(end);
    // A WebSocket is gone when its peer has answered the close.
    await vi.waitFor(() => expect(world.gateway.streams()).toBe(1), 60_000);
    world.changed({ tokenId: "of-eve" });
    expect(await other.ended).toEqual(end);
  });

  it.each(kinds)(
    "%s ends when its bearer may something else, and goes on when he may the same",
    async (_, open, end) => {
      const world = await enter();
      const [mine, other] = await Promise.all([open(world, world.bob), open(world, world.eve)]);
      world.answers.standing = ({ subject }) => (subject === "bob" ? { ...LET_IN, teams: ["t"] } : LET_IN);
      world.changed({});
      expect(await mine.ended).toEqual(end);
      // A WebSocket is gone when its peer has answered the close.
      await vi.waitFor(() => expect(world.gateway.streams()).toBe(1), 60_000);
      other.close();
      await other.ended;
    },
  );

  async function openGet(world: World, authorization: string): Promise<Opened> {
    const { url } = world.gateway;
    const { method, path, headers, body } = initialize({ user: authorization });
    const opened = await fetch(url + path, { method, headers, ...(body === undefined ? {} : { body }) });
    await opened.text();
    const session = opened.headers.get("mcp-session-id") ?? "";
    return stream(`${url}/mcp`, { authorization, "mcp-session-id": session });
  }

  function listen({ gateway }: World, authorization: string): Promise<Opened> {
    const meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const params = { notifications: { toolsListChanged: true }, _meta: meta };
    const headers = {
      authorization,
      "content-type": "application/json",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "subscriptions/listen",
    };
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "subscriptions/listen", params });
    return stream(`${gateway.url}/mcp`, headers, body);
  }

  async function stream(url: string, headers: Record<string, string>, body?: string): Promise<Opened> {
    const abort = new AbortController();
    const accept = body === undefined ? "text/event-stream" : "application/json, text/event-stream";
    const init = body === undefined ? {} : { method: "POST", body };
    const response = await fetch(url, { headers: { ...headers, accept }, signal: abort.signal, ...init });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    const ended = response.text().then(
      () => "end",
      () => "aborted",
    );
    return { ended, close: () => abort.abort() };
  }

  function webSocket(port: number, authorization: string): Promise<Opened> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, ["mcp"], { headers: { authorization } });
    const ended = new Promise((resolve) => socket.on("close", (code, reason) => resolve([code, reason.toString()])));
    return new Promise((resolve, reject) => {
      socket.on("open", () => resolve({ ended, close: () => socket.close() }));
      socket.on("error", reject);
    });
  }
});

describe("tenures", () => {
  function hold(goesOnUnknown = false) {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const clock = { now: 0 };
    const identities = new Map<Principal, Identity>();
    const answers = { standing: (): Standing | Promise<Standing> => LET_IN };
    const tenures = new Tenures({
      directory: { standingOf: () => answers.standing() },
      identityOf: (principal) => identities.get(principal),
      goesOnUnknown,
      now: () => clock.now,
    });
    const ended: string[] = [];
    const person = (id: string, expiresAt?: number): Principal => {
      const end = expiresAt === undefined ? {} : { expiresAt };
      const principal: Principal = { id, kind: "jwt", admin: false, teams: [], ...end };
      identities.set(principal, { subject: id, kind: "jwt", claimsAdmin: false, ...end });
      return principal;
    };
    const open = (principal: Principal) => tenures.hold(principal, () => ended.push(principal.id));
    return { tenures, clock, answers, ended, person, open };
  }
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  it("end with the proof's own time, once, and are looked at only while there are any", () => {
    const { tenures, clock, ended, person, open } = hold();
    open(person("bob", 5000));
    const leave = open(person("eve", 5000));
    open(person("zoe"));
    clock.now = 4999;
    vi.advanceTimersByTime(1000);
    expect(ended).toEqual([]);
    leave();
    leave();
    clock.now = 5000;
    vi.advanceTimersByTime(2000);
    expect([ended, tenures.size, vi.getTimerCount()]).toEqual([["bob"], 1, 1]);
    open(person("bob", 1))();
    expect(vi.getTimerCount()).toBe(1);
  });

  it("of nobody in particular never end by a change", async () => {
    const { tenures, ended, open, answers } = hold();
    answers.standing = () => ({ admitted: false, why: "inactive" });
    const leave = open({ id: "anonymous", kind: "anonymous", admin: false, teams: [] });
    tenures.changed({});
    await settle();
    expect(ended).toEqual([]);
    leave();
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    [false, ["bob"]],
    [true, []],
  ])("go on without an answer: %s", async (goesOn, expected) => {
    const { tenures, ended, person, open, answers } = hold(goesOn);
    open(person("bob"));
    answers.standing = () => Promise.reject(fault("MCPS_DATABASE", { reason: "gone" }));
    tenures.changed({ subject: "bob" });
    await settle();
    expect(ended).toEqual(expected);
  });
});

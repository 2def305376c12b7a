import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  belongsTo,
  createSealer,
  createSessionTokens,
  type NewSession,
  newSessionId,
  type Sealer,
} from "../../../gateway/sessions/index.ts";

const KEY = { id: "k1", secret: randomBytes(32) };
const NOW = 1_790_000_000_000;
const HOUR = 3_600_000;
const at = { now: NOW, ttlMs: HOUR };

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const session = (changes: Partial<NewSession> = {}): NewSession => ({
  id: newSessionId(),
  endpoint: "/mcp",
  protocolVersion: "2025-11-25",
  principalId: "admin@example.com",
  capabilities: Buffer.from('{ "roots" : {"listChanged":true}, "experimental":{"n":12345678901234567890, "f":1.0} }'),
  clientInfo: json({ name: "inspector", version: "2.12.0" }),
  issuedAt: NOW,
  ...changes,
});

function countingSealer(): { sealer: Sealer; opened: () => number } {
  const inner = createSealer([KEY]);
  let count = 0;
  return {
    sealer: {
      seal: inner.seal,
      open: (purpose, token) => {
        count++;
        return inner.open(purpose, token);
      },
    },
    opened: () => count,
  };
}

describe("session tokens", () => {
  it("carry the session byte for byte", () => {
    const given = session();
    const token = createSessionTokens(createSealer([KEY])).mint(given);
    expect(token).toMatch(/^v1\.k1\.[A-Za-z0-9_-]+$/);
    expect(createSessionTokens(createSealer([KEY])).open(token, at)).toEqual(given);
  });

  it("are opened once and then remembered, within the bound", () => {
    const { sealer, opened } = countingSealer();
    const tokens = createSessionTokens(sealer, { maxCached: 2 });
    const [one = "", two = "", three = ""] = [session(), session(), session()].map(tokens.mint);
    const first = tokens.open(one, at);
    expect(tokens.open(one, at)).toBe(first);
    expect(opened()).toBe(1);
    tokens.open(two, at);
    tokens.open(three, at);
    tokens.open(one, at);
    expect(opened()).toBe(4);
  });

  it("expire by their issue time, warm or cold, and do not come from the future", () => {
    const tokens = createSessionTokens(createSealer([KEY]));
    const token = tokens.mint(session());
    expect(tokens.open(token, { now: NOW + HOUR - 1, ttlMs: HOUR })?.issuedAt).toBe(NOW);
    expect(tokens.open(token, { now: NOW + HOUR, ttlMs: HOUR })).toBeUndefined();
    expect(createSessionTokens(createSealer([KEY])).open(token, { now: NOW + HOUR, ttlMs: HOUR })).toBeUndefined();
    expect(tokens.open(token, { now: NOW - 60_000, ttlMs: HOUR })?.issuedAt).toBe(NOW);
    expect(tokens.open(token, { now: NOW - 60_001, ttlMs: HOUR })).toBeUndefined();
  });

  it("survive a rotation of keys and end with their key", () => {
    const next = { id: "k2", secret: randomBytes(32) };
    const token = createSessionTokens(createSealer([KEY])).mint(session());
    expect(createSessionTokens(createSealer([next, KEY])).open(token, at)?.endpoint).toBe("/mcp");
    expect(createSessionTokens(createSealer([next])).open(token, at)).toBeUndefined();
    expect(createSessionTokens(createSealer([{ ...KEY, secret: next.secret }])).open(token, at)).toBeUndefined();
  });

  it("belong to one endpoint and one principal, also when the names are long", () => {
    const tokens = createSessionTokens(createSealer([KEY]));
    const long = "u".repeat(5000);
    const opened = tokens.open(tokens.mint(session({ principalId: long, endpoint: `/servers/${long}/mcp` })), at);
    if (opened === undefined) return expect.fail("not opened");
    expect(belongsTo(opened, `/servers/${long}/mcp`, long)).toBe(true);
    expect(belongsTo(opened, `/servers/${long}/mcp`, `${long}u`)).toBe(false);
    expect(belongsTo(opened, "/mcp", long)).toBe(false);
    expect(belongsTo(opened, `/servers/${long}/mcp`, opened.principalId)).toBe(false);
  });

  it("reduce what is too large: first the info, then the capabilities to what MCP defines", () => {
    const tokens = createSessionTokens(createSealer([KEY]));
    const icons = [{ src: `data:image/png;base64,${"A".repeat(5000)}` }];
    const clientInfo = json({ name: "ä".repeat(100), title: 7, version: "1.0", icons });
    const small = tokens.open(tokens.mint(session({ clientInfo })), at);
    expect(small?.capabilities).toEqual(session().capabilities);
    expect(JSON.parse(String(small?.clientInfo))).toEqual({ name: "?".repeat(60), version: "1.0" });

    const capabilities = json({
      roots: { listChanged: true, more: 1 },
      sampling: { tools: { a: 1 } },
      elicitation: { form: { applyDefaults: false }, url: {} },
      tasks: { list: {}, requests: { elicitation: { create: { x: 1 } } } },
      experimental: { big: "x".repeat(2000) },
    });
    const reduced = tokens.open(tokens.mint(session({ capabilities, clientInfo })), at);
    expect(JSON.parse(String(reduced?.capabilities))).toEqual({
      roots: { listChanged: true },
      sampling: { tools: {} },
      elicitation: { form: { applyDefaults: false }, url: {} },
      tasks: { list: {}, requests: { elicitation: { create: {} } } },
    });
  });

  it("are visible ASCII of at most 1024 bytes, whatever the client sent", () => {
    const sealer = createSealer([{ id: "sixteen-chars-id", secret: KEY.secret }]);
    const tokens = createSessionTokens(sealer);
    const everything = {
      roots: { listChanged: false },
      sampling: { context: {}, tools: {} },
      elicitation: { form: { applyDefaults: false }, url: {} },
      tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
    };
    const object = fc.oneof(
      fc.object({ maxDepth: 3 }),
      fc.constant({ ...everything, x: "y".repeat(3000) }),
      fc.constant({}),
    );
    const text = fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.constant("😀".repeat(100)));
    fc.assert(
      fc.property(
        object,
        fc.record({ name: text, title: text, version: text }),
        text,
        text,
        (capabilities, clientInfo, endpoint, principalId) => {
          const given = session({
            capabilities: json(capabilities),
            clientInfo: json(clientInfo),
            endpoint,
            principalId,
            protocolVersion: "v".repeat(64),
            id: "i".repeat(64),
          });
          const token = tokens.mint(given);
          expect(token).toMatch(/^[\x21-\x7e]{1,1024}$/);
          const opened = tokens.open(token, at);
          if (opened === undefined) return expect.fail("not opened");
          expect(belongsTo(opened, endpoint, principalId)).toBe(true);
          expect(typeof JSON.parse(String(opened.capabilities))).toBe("object");
          expect(typeof JSON.parse(String(opened.clientInfo)).name).toBe("string");
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("refuse ten thousand forgeries", () => {
    const tokens = createSessionTokens(createSealer([KEY]));
    const token = tokens.mint(session());
    tokens.open(token, at);
    const forgery = fc.oneof(
      fc
        .tuple(fc.nat(token.length - 1), fc.string({ minLength: 1, maxLength: 1 }))
        .map(([i, c]) => token.slice(0, i) + c + token.slice(i + 1)),
      fc.nat(token.length - 1).map((end) => token.slice(0, end)),
      fc.string().map((tail) => token + tail),
      fc.string({ maxLength: 2000 }),
      fc.constantFrom("", "v1.", "v1.k1.", "v1.k1", "v2.k1.AAAA", `v1.k1.${"A".repeat(2000)}`),
    );
    fc.assert(
      fc.property(forgery, (forged) => forged === token || tokens.open(forged, at) === undefined),
      { numRuns: 10_000 },
    );
  });

  it("refuse fields that cannot be carried", () => {
    const tokens = createSessionTokens(createSealer([KEY]));
    expect(() => tokens.mint(session({ id: "x".repeat(65) }))).toThrow("id of a session has more than 64 bytes");
    expect(() => tokens.mint(session({ issuedAt: -1 }))).toThrow("issuedAt of a session is -1");
  });
});

import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boundedName, createSealer, type KeyRing, parseKeyRing } from "../../../gateway/sessions/index.ts";

const key = (id: string) => ({ id, secret: randomBytes(32) });
const RING: KeyRing = [key("k1"), key("k2")];
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

describe("sealer", () => {
  it("opens what it sealed, whatever the bytes", () => {
    const sealer = createSealer(RING);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.constantFrom("a", "b"), (payload, purpose) => {
        const token = sealer.seal(purpose, payload);
        expect(token).toMatch(/^k1\.[A-Za-z0-9_-]{38,}$/);
        expect(sealer.open(purpose, token)).toEqual(Buffer.from(payload));
      }),
      { numRuns: 2000 },
    );
    expect(sealer.open("a", sealer.seal("a", "ä€😀"))?.toString()).toBe("ä€😀");
  });

  it("never makes the same token twice, of one length for one length of payload", () => {
    const sealer = createSealer(RING);
    const tokens = Array.from({ length: 1000 }, () => sealer.seal("a", "same"));
    expect(new Set(tokens).size).toBe(1000);
    expect(new Set(tokens.map((token) => token.length))).toEqual(new Set(["k1.".length + Math.ceil((32 * 4) / 3)]));
  });

  it("refuses every change of any one character, and every other character in its place", () => {
    const sealer = createSealer(RING);
    const token = sealer.seal("a", "a payload of some length, and 1");
    let cases = 0;
    for (let at = 0; at < token.length; at++) {
      for (const char of `${ALPHABET}.=+/ \n\0é`) {
        if (char === token[at]) continue;
        cases++;
        const changed = token.slice(0, at) + char + token.slice(at + 1);
        if (sealer.open("a", changed) !== undefined) expect.fail(`accepted ${JSON.stringify(changed)}`);
      }
    }
    expect(cases).toBeGreaterThan(5000);
  });

  it("refuses ten thousand random mutations", () => {
    const sealer = createSealer(RING);
    const token = sealer.seal("a", "payload");
    const mutation = fc.oneof(
      fc.nat(token.length - 1).map((end) => token.slice(0, end)),
      fc.nat(token.length - 1).map((start) => token.slice(start + 1)),
      fc
        .tuple(fc.nat(token.length), fc.string({ minLength: 1 }))
        .map(([at, text]) => token.slice(0, at) + text + token.slice(at)),
      fc.tuple(fc.nat(token.length - 1), fc.nat(token.length)).map(([a, b]) => token.slice(0, a) + token.slice(b)),
      fc.string({ unit: "binary" }),
      fc.uint8Array({ minLength: 28, maxLength: 80 }).map((bytes) => `k1.${Buffer.from(bytes).toString("base64url")}`),
    );
    fc.assert(
      fc.property(mutation, (changed) => changed === token || sealer.open("a", changed) === undefined),
      { numRuns: 10_000 },
    );
  });

  it("opens under the sealing purpose only", () => {
    const sealer = createSealer(RING);
    const token = sealer.seal("session", "x");
    expect(sealer.open("cursor", token)).toBeUndefined();
    expect(sealer.open("session", token)?.toString()).toBe("x");
  });

  it("opens tokens of retired keys, none of unknown or other keys, and no key id moved to another key", () => {
    const [first, second] = [key("old"), key("new")];
    const before = createSealer([first]);
    const during = createSealer([second, first]);
    const after = createSealer([second]);
    const old = before.seal("a", "x");
    expect(during.open("a", old)?.toString()).toBe("x");
    expect(during.seal("a", "y")).toMatch(/^new\./);
    expect(after.open("a", old)).toBeUndefined();
    expect(before.open("a", during.seal("a", "y"))).toBeUndefined();
    expect(createSealer([{ id: "old", secret: randomBytes(32) }]).open("a", old)).toBeUndefined();
    expect(
      createSealer([{ id: "other", secret: first.secret }]).open("a", old.replace("old.", "other.")),
    ).toBeUndefined();
  });

  it("refuses keys that cannot be used, without showing them", () => {
    expect(() => createSealer([{ id: "a b", secret: randomBytes(32) }])).toThrow(
      'key id "a b" is not [A-Za-z0-9_-]{1,16}',
    );
    expect(() => createSealer([{ id: "a", secret: randomBytes(31) }])).toThrow("key a has 31 bytes, it has to have 32");
  });

  it("refuses purposes without end", () => {
    const sealer = createSealer(RING);
    for (let index = 0; index < 64; index++) sealer.seal(`p${index}`, "x");
    expect(() => sealer.seal("p64", "x")).toThrow("a purpose must be a constant");
  });
});

describe("parseKeyRing", () => {
  const base64 = (byte: number) => Buffer.alloc(32, byte).toString("base64");

  it("reads keys in their order", () => {
    expect(parseKeyRing(`2026b:${base64(2)}, 2026a:${base64(1)}`)).toEqual([
      { id: "2026b", secret: Buffer.alloc(32, 2) },
      { id: "2026a", secret: Buffer.alloc(32, 1) },
    ]);
    expect(parseKeyRing(`k:${Buffer.alloc(32, 255).toString("base64url")}`)).toEqual([
      { id: "k", secret: Buffer.alloc(32, 255) },
    ]);
  });

  it("makes one stable key of a passphrase", () => {
    const text = "correct horse battery staple, and more of it";
    const [one] = parseKeyRing(text);
    expect(parseKeyRing(text)).toEqual([one]);
    expect(one.id).toMatch(/^p[A-Za-z0-9_-]{8}$/);
    expect(one.secret).toHaveLength(32);
    expect(parseKeyRing(`${text}.`)[0].id).not.toBe(one.id);
    expect(
      createSealer(parseKeyRing(text))
        .open("a", createSealer([one]).seal("a", "x"))
        ?.toString(),
    ).toBe("x");
  });

  it.each([
    ["", "a passphrase needs at least 32 characters, this one has 0"],
    ["x".repeat(31), "a passphrase needs at least 32 characters, this one has 31"],
    [`k:${Buffer.alloc(16).toString("base64")}`, "key k has 16 bytes, it has to have 32 in base64"],
    [`k:${base64(1)},k:${base64(2)}`, "key id k is there twice"],
  ])("refuses %j", (text, reason) => {
    expect(() => parseKeyRing(text)).toThrow(reason);
  });
});

describe("boundedName", () => {
  it("keeps short names, hashes long ones, and no name can pose as the hash of another", () => {
    expect(boundedName("admin@example.com")).toBe("admin@example.com");
    expect(boundedName("x".repeat(128))).toBe("x".repeat(128));
    const long = boundedName("x".repeat(129));
    expect(long).toMatch(/^sha256:[A-Za-z0-9_-]{43}$/);
    expect(boundedName(long)).not.toBe(long);
    expect(boundedName("ä".repeat(65))).toMatch(/^sha256:/);
  });
});

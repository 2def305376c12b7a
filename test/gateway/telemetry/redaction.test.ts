/** No secret gets into what is written down, by the name of its field or by its form. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changeText } from "../../../gateway/record-changes.ts";
import { createLog, logWithRows, redact, redactText, rememberRedacted } from "../../../gateway/telemetry/index.ts";

const BASE64URL = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"];
const word = (minLength: number) =>
  fc.array(fc.constantFrom(...BASE64URL), { minLength, maxLength: 60 }).map((letters) => letters.join(""));
/** Long enough that nothing else contains it by chance, and beginning like nothing. */
const secretText = word(16).map((text) => `Zq9${text}`);

const SECRET_NAMES = [
  "authorization",
  "Proxy-Authorization",
  "cookie",
  "set-cookie",
  "token",
  "accessToken",
  "refresh_token",
  "password",
  "clientSecret",
  "client_secret",
  "apiKey",
  "x-api-key",
  "privateKey",
  "credentials",
  "authValue",
  "signature",
];
const TREES = ["headers", "authHeaders", "auth_headers", "env"];

/** A secret as it comes in inputs: under its name, below headers, in a URL, in a header's value, as a JWT. */
const hidden = secretText.chain((secret) =>
  fc
    .oneof(
      fc.constantFrom(...SECRET_NAMES).map((name): unknown => ({ [name]: secret })),
      fc.constantFrom(...SECRET_NAMES).map((name): unknown => ({ [name]: { nested: [secret] } })),
      fc.constantFrom(...TREES).map((name): unknown => ({ [name]: { "x-own-name": secret } })),
      fc.constantFrom("Bearer", "bearer", "Basic", "Token").map((scheme): unknown => `${scheme} ${secret}`),
      fc.constant<unknown>(`https://user:${secret}@host.example/path`),
      fc.constant<unknown>(`postgresql+psycopg://${secret}@db/x failed`),
      fc
        .constantFrom("token", "access_token", "api_key", "sig", "client_secret", "code")
        .map((name): unknown => `see https://host/path?a=1&${name}=${secret}&b=2`),
      fc.constant<unknown>(`eyJhbGciOiJIUzI1NiJ9.${secret}.${secret}`),
      fc.constant<unknown>(`-----BEGIN EC PRIVATE KEY-----\n${secret}\n-----END EC PRIVATE KEY-----`),
      fc.constant<unknown>(`sk-${secret}`),
    )
    .map((value) => ({ secret, value })),
);
/** Somewhere within data of any kind. */
const within = fc
  .tuple(hidden, fc.jsonValue({ maxDepth: 2 }), fc.array(fc.constantFrom("list", "object", "url"), { maxLength: 4 }))
  .map(([{ secret, value }, beside, path]) => ({
    secret,
    value: path.reduce<unknown>(
      (inner, step) => (step === "list" ? [beside, inner] : { beside, [step]: inner }),
      value,
    ),
  }));

describe("redaction", () => {
  it("leaves no secret in data, wherever it stands", () => {
    fc.assert(
      fc.property(within, ({ secret, value }) => {
        expect(JSON.stringify(redact(value))).not.toContain(secret);
      }),
      { numRuns: 2000 },
    );
  });

  it("leaves none in rows of changes, and none in log lines or their rows", () => {
    fc.assert(
      fc.property(within, within, (before, after) => {
        const lines: string[] = [];
        const rows: string[] = [];
        const log = logWithRows(createLog({ level: "debug", format: "json", write: (line) => lines.push(line) }), {
          level: "debug",
          fields: {},
          add: (entry) => rows.push(JSON.stringify(entry)),
          now: Date.now,
        });
        const text = changeText(before.value, after.value);
        log.warn("event", { reason: text, authorization: before.secret });
        if (typeof after.value === "string") log.info("event", { reason: after.value });
        const seen = [text, ...lines, ...rows].join("\n");
        expect(seen).not.toContain(before.secret);
        expect(seen).not.toContain(after.secret);
      }),
      { numRuns: 500 },
    );
  });

  it("leaves everything else as it is", () => {
    const plain = {
      name: "up",
      url: "https://host.example:8443/mcp?page=2",
      tokenCount: 3,
      tags: ["a", "b"],
      enabled: true,
      token: null,
      password: "",
      hasToken: false,
    };
    expect(redact(plain)).toEqual(plain);
    const sentence = "Authentication required: the token expired, a basic idea of bearer authentication";
    expect(redactText(sentence)).toBe(sentence);
  });

  it("takes no long time for any text", () => {
    const hostile = [
      "a.".repeat(1000),
      "?a".repeat(1000),
      "://".repeat(700),
      "eyJ".repeat(700),
      "-----BEGIN ".repeat(200),
    ];
    for (const text of hostile) expect(redactText(text).length).toBeLessThan(2100);
  });

  it("is remembered for texts that come again, and as right when there are more than are remembered", () => {
    const redacted = rememberRedacted(2);
    const texts = ["one", "https://user:pass@host/a", "Bearer abcDEF123456", "one", "https://user:pass@host/a"];
    for (let round = 0; round < 2; round++) {
      expect(texts.map(redacted)).toEqual(["one", "https://***@host/a", "Bearer ***", "one", "https://***@host/a"]);
    }
  });
});

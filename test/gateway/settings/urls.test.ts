import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Fault } from "../../../contract/errors.ts";
import { loadSettings, printSettings, redacted } from "../../../gateway/settings/index.ts";

/** Everything that the settings room ever says of this value. */
function shownOf(name: "REDIS_URL" | "DATABASE_URL", text: string): string {
  try {
    const { settings, provenance, warnings } = loadSettings({ env: { [name]: text }, envFile: false });
    return [redacted(settings)[name], printSettings(settings, provenance), ...warnings].join("\n");
  } catch (error) {
    if (error instanceof Fault) return `${error.message}${JSON.stringify(error.data)}`;
    throw error;
  }
}

describe("redacted URLs", () => {
  const redactedRedis = (text: string) =>
    redacted(loadSettings({ env: { REDIS_URL: text }, envFile: false }).settings).REDIS_URL;

  it.each([
    ["redis://redis:6379/1", "redis://redis:6379/1"],
    [" rediss://app:hunter2@redis ", "rediss://app:***@redis"],
    ["redis://:hunter2@[::1]:6380/1", "redis://:***@[::1]:6380/1"],
    [
      "redis+sentinel://app:hunter2@h1:26379,h2,[::1]:5000/my-master/2?sentinelPassword=hunter3",
      "redis+sentinel://app:***@h1:26379,h2,[::1]:5000/my-master/2?***",
    ],
    ["rediss+cluster://a%40b:hunter2@h1,h2:7000", "rediss+cluster://a%40b:***@h1,h2:7000"],
  ])("show where %s points", (text, shown) => {
    expect(redactedRedis(text)).toBe(shown);
  });

  it.each([
    ["redis://u:hun/ter2@h", "REDIS_URL is redis://u:***@h, "],
    ["redis://u:hun@ter2@h", "REDIS_URL is redis://u:***@h, "],
    ["redis://u:hun#ter2@h", "REDIS_URL is (hidden), "],
    ["redis://u:hun?ter2@h", "REDIS_URL is (hidden), "],
    ["redis://:hunter2", "REDIS_URL is (hidden), "],
    ["redis://hunter2@h", "REDIS_URL is redis://***@h, "],
    ["redis+sentinel://h/m?sentinelPassword=hun@ter2", "REDIS_URL is (hidden), "],
    ["redis+sentinel://u:hunter2@h1,h2", "REDIS_URL is redis+sentinel://u:***@h1,h2, "],
    ["hunter2", "REDIS_URL is (hidden), "],
    ["redis:hunter2@h", "REDIS_URL is (hidden), "],
  ])("show nothing of a password that was not encoded: %s", (text, shown) => {
    const said = shownOf("REDIS_URL", text);
    expect(said).toContain(shown);
    expect(said).not.toMatch(/hun|ter2/);
  });

  it.each(["REDIS_URL", "DATABASE_URL"] as const)("of %s show no password, whatever it consists of", (name) => {
    const schemes = {
      REDIS_URL: ["redis", "rediss+sentinel", "redis+cluster", "http"],
      DATABASE_URL: ["postgres", "http"],
    };
    // Each sign that a URL gives a meaning, between words that can be told from anything else.
    const password = fc
      .array(fc.constantFrom(":", "/", "?", "#", "@", ",", "%", "[", "]", " ", "=", "&", "%40"), {
        minLength: 1,
        maxLength: 4,
      })
      .map((signs) => `Séqxz${signs.join("Séqxz")}Séqxz`);
    const url = fc.record({
      scheme: fc.constantFrom(...schemes[name]),
      user: fc.constantFrom("", "app"),
      hosts: fc.constantFrom("h", "h1:26379,h2", "[::1]:1"),
      path: fc.constantFrom("", "/0", "/master/1", "/master?sentinelUsername=x"),
    });
    fc.assert(
      fc.property(url, password, ({ scheme, user, hosts, path }, secret) => {
        expect(shownOf(name, `${scheme}://${user}:${secret}@${hosts}${path}`)).not.toContain("qxz");
      }),
    );
  });
});

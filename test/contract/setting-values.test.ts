import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeSettings, settingsFingerprint, sharedSettings } from "../../contract/setting-values.ts";
import { type SettingName, type Settings, secretNames, settingNames, settingOf } from "../../contract/settings.ts";
import { loadSettings } from "../../gateway/settings/index.ts";
import { judgeTogether } from "../../gateway/settings/together.ts";

const PATTERNED: Readonly<Record<string, readonly string[]>> = {
  GATEWAY_TOOL_NAME_SEPARATOR: ["__", "-", "."],
  URL_PATH_PREFIX: ["/gateway", "/a/b.c~d"],
  SSO_GENERIC_PROVIDER_ID: ["keycloak", "a-1"],
  IDENTITY_PROPAGATION_HEADERS_PREFIX: ["X-User", "Caller"],
};

/** Lists whose entries have a form of their own. */
const LISTED: Readonly<Record<string, readonly string[]>> = {
  FAIR_SHARE_WEIGHTS: ["ann@a.example=2", "b=1", "c=1000"],
  RATE_LIMITS: ["principal=600/min", "address=20/s+100", "tool:github/create_*=10/h+1"],
  QUOTAS: ["team=1000/month", "principal&upstream=5/day"],
  TRUSTED_PROXIES: ["10.0.0.0/8", "::1", "unix"],
  TOOL_PIN_FLAGS: ["bidi", "tags", "instructions"],
};

/** Any value that the setting may have. */
function valueOfSetting(name: SettingName): fc.Arbitrary<unknown> {
  const declaration = settingOf(name);
  const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }).filter((value) => !value.includes("\0"));
  switch (declaration.type) {
    case "integer":
      if (declaration.auto === true) return fc.oneof(fc.constant("auto"), fc.integer({ min: 1, max: 256 }));
      return fc.integer({ min: declaration.min ?? 0, max: declaration.max ?? 1e9 });
    case "bytes":
      return fc.integer({ min: declaration.min ?? 0, max: declaration.max ?? 1e9 });
    case "number":
    case "duration":
      return fc
        .double({ min: declaration.min ?? 0, max: declaration.max ?? 1e9, noNaN: true })
        .map((value) => value + 0);
    case "boolean":
      return fc.boolean();
    case "enum":
      return fc.constantFrom(...declaration.allowed);
    case "list":
      if (LISTED[name] !== undefined) return fc.subarray([...LISTED[name]]);
      return fc.array(
        fc.string({ unit: "grapheme", maxLength: 20 }).filter((value) => !value.includes("\0")),
        { maxLength: 4 },
      );
    case "url":
      if (declaration.form === "redis")
        return fc.constantFrom(
          "redis://user:p%40ss@host:1234/7",
          "rediss+sentinel://h1,h2:1/master/3?sentinelPassword=a%26b",
          "redis+cluster://:secret@[::1]:7000,h2",
        );
      return fc.constantFrom(...declaration.schemes).map((scheme) => `${scheme}://user:pass@host:1234/name`);
    case "path":
      return fc.constantFrom("/a", "/a b/c", "/ü");
    case "keyring":
      return fc.uint8Array({ minLength: 32, maxLength: 32 }).map((key) => `k1:${Buffer.from(key).toString("base64")}`);
    case "secret":
      return declaration.pattern === undefined
        ? text.map((value) => value.padEnd(32, "x"))
        : fc.base64String({ minLength: 32, maxLength: 60 });
    case "string":
      return declaration.pattern === undefined
        ? text
            .map((value) => value.padEnd(declaration.min ?? 1, "x"))
            .filter((value) => Buffer.byteLength(value) <= (declaration.max ?? 1e9))
        : fc.constantFrom(...(PATTERNED[name] ?? []));
  }
}

const DEFAULTS = loadSettings({ env: {}, envFile: false }).settings;
const NOWHERE = Object.fromEntries(settingNames.map((name) => [name, "default"])) as Record<SettingName, string>;

/** Some need one another, or exclude it; which, is tested where that is judged. */
function isTogether(values: Readonly<Record<string, unknown>>): boolean {
  return judgeTogether({ ...DEFAULTS, ...values }, NOWHERE).problems.length === 0;
}

describe("encodeSettings", () => {
  it.each([
    [
      { PORT: 0, AUTH_REQUIRED: false },
      { PORT: "0", AUTH_REQUIRED: "false" },
    ],
    [{ TOOL_TIMEOUT: 0.25, REDIS_URL: undefined }, { TOOL_TIMEOUT: "0.25" }],
    [{ ALLOWED_HOSTS: ["a.example", "b.example"] }, { ALLOWED_HOSTS: "a.example,b.example" }],
    [{ ALLOWED_HOSTS: [] }, { ALLOWED_HOSTS: "[]" }],
    [{ ALLOWED_HOSTS: ["a,b", " c"] }, { ALLOWED_HOSTS: '["a,b"," c"]' }],
  ])("writes %o", (values, text) => {
    expect(encodeSettings(values)).toEqual(text);
  });

  it("writes what loadSettings reads back identically", () => {
    const arbitrary = fc.record(Object.fromEntries(settingNames.map((name) => [name, valueOfSetting(name)])));
    fc.assert(
      fc.property(arbitrary.filter(isTogether), (values) => {
        const { settings } = loadSettings({ env: encodeSettings(values as Partial<Settings>), envFile: false });
        expect(settings).toEqual(values);
      }),
    );
  });
});

describe("settingsFingerprint", () => {
  const effective = (values: Readonly<Record<string, string>>) =>
    settingsFingerprint(encodeSettings(loadSettings({ env: values, envFile: false }).settings));
  const apart: readonly SettingName[] = [...secretNames, "HOST", "PORT"];
  const isShared = (name: SettingName) => !apart.includes(name) && settingOf(name).type !== "path";

  it("is the same for what an environment holds and for what a gateway makes of it", () => {
    expect(settingsFingerprint({})).toMatch(/^[0-9a-f]{16}$/);
    const arbitrary = fc.record(Object.fromEntries(settingNames.map((name) => [name, valueOfSetting(name)])), {
      requiredKeys: [],
    });
    fc.assert(
      fc.property(arbitrary.filter(isTogether), (values) => {
        const environment = encodeSettings(values as Partial<Settings>);
        expect(effective(environment)).toBe(settingsFingerprint(environment));
      }),
    );
  });

  it("does not tell a default from the same value, nor one way of writing it from another", () => {
    expect(effective({ TOOL_TIMEOUT: "1m", ALLOWED_HOSTS: "[]", LOG_LEVEL: "INFO", PORT: "" })).toBe(
      settingsFingerprint({}),
    );
  });

  it.each(settingNames.filter((name) => !hasOneValue(name)))(
    "%s changes it exactly when all replicas have to have the same",
    (name) => {
      const isOther = (value: unknown) => JSON.stringify(value) !== JSON.stringify(settingOf(name).default);
      const [value] = fc.sample(valueOfSetting(name).filter(isOther), 1);
      const isChanged = settingsFingerprint(encodeSettings({ [name]: value })) !== settingsFingerprint({});
      expect(isChanged).toBe(isShared(name));
    },
  );

  it("leaves out secrets, what is a process's own, and names that are no settings", () => {
    expect(sharedSettings).toEqual(settingNames.filter(isShared));
    expect(settingsFingerprint({ JWT_SECRET_KEY_FILE: "/x", UV_THREADPOOL_SIZE: "8" })).toBe(settingsFingerprint({}));
  });
});

function hasOneValue(name: SettingName): boolean {
  const declaration = settingOf(name);
  return declaration.type === "enum" && declaration.allowed.length === 1;
}

/** What the settings of outbound traffic change: where users may send the gateway, what goes on of their requests, who is told of them. */
import { describe, expect, it } from "vitest";
import { addressGuard } from "../../gateway/address-guard.ts";
import { loadSettings } from "../../gateway/settings/index.ts";
import { identityOptions, targetRules, warnOfUnpassed } from "../../gateway/upstream-rules.ts";
import { recordingLog } from "./coordination/log.ts";

type Env = Readonly<Record<string, string>>;
const settingsOf = (env: Env) => loadSettings({ env, envFile: false }).settings;

describe("addresses that users may set", () => {
  const allowed = (env: Env, trust: "user" | "operator" = "user") => {
    const guard = addressGuard(settingsOf(env));
    const hosts = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "metadata.internal", "203.0.114.1"];
    return hosts.filter((host) => guard.refusal(new URL(`http://${host}/`), trust) === undefined);
  };
  const PUBLIC = "203.0.114.1";

  it.each<[Env, readonly string[]]>([
    // Who listens on this machine alone is asked from this machine alone.
    [{ HOST: "127.0.0.1" }, ["127.0.0.1", "10.0.0.1", PUBLIC]],
    [{ HOST: "::1" }, ["127.0.0.1", "10.0.0.1", PUBLIC]],
    [{ HOST: "0.0.0.0" }, [PUBLIC]],
    [{ HOST: "127.0.0.1", SSRF_ALLOW_LOCALHOST: "false", SSRF_ALLOW_PRIVATE_NETWORKS: "false" }, [PUBLIC]],
    [{ HOST: "0.0.0.0", SSRF_ALLOW_LOCALHOST: "true" }, ["127.0.0.1", PUBLIC]],
    [{ HOST: "0.0.0.0", SSRF_ALLOW_PRIVATE_NETWORKS: "true" }, ["10.0.0.1", PUBLIC]],
    [{ HOST: "0.0.0.0", SSRF_ALLOWED_NETWORKS: "10.0.0.0/24" }, ["10.0.0.1", PUBLIC]],
    [{ HOST: "0.0.0.0", SSRF_BLOCKED_NETWORKS: "203.0.114.0/24" }, []],
    // The list is the operator's; metadata services stay what they are.
    [{ HOST: "::1", SSRF_BLOCKED_NETWORKS: "[]" }, ["127.0.0.1", "10.0.0.1", "100.64.0.1", PUBLIC]],
    [{ HOST: "0.0.0.0", SSRF_BLOCKED_HOSTS: "[]" }, ["metadata.internal", PUBLIC]],
    [
      { HOST: "0.0.0.0", SSRF_PROTECTION_ENABLED: "false" },
      ["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "metadata.internal", PUBLIC],
    ],
  ])("%o: %o", (env, expected) => {
    expect(allowed(env)).toEqual(expected);
  });

  it("are more for who declares upstreams, and metadata services are not among them", () => {
    expect(allowed({ HOST: "0.0.0.0" }, "operator")).toEqual(["127.0.0.1", "10.0.0.1", PUBLIC]);
  });

  it("with a name that nobody resolves are stored only where that is allowed", async () => {
    const check = (env: Env) => addressGuard(settingsOf(env)).check(new URL("http://nobody.invalid/"), "user");
    expect([await check({}), await check({ SSRF_DNS_FAIL_CLOSED: "false" })]).toEqual([
      "its name cannot be resolved (SSRF_DNS_FAIL_CLOSED)",
      undefined,
    ]);
  });

  it("need networks that are some", () => {
    expect(() => addressGuard(settingsOf({ SSRF_ALLOWED_NETWORKS: "10.0.0.0/33" }))).toThrow(
      'SSRF_BLOCKED_NETWORKS or SSRF_ALLOWED_NETWORKS: "10.0.0.0/33" is no network',
    );
  });
});

describe("what goes on of a request", () => {
  it("is as it is set", () => {
    expect(targetRules(settingsOf({ TOOL_TIMEOUT: "7" }))).toEqual({
      callTimeoutMs: 7000,
      passthrough: {
        enabled: false,
        defaults: [],
        source: "db",
        overwrites: false,
        sensitive: false,
        reserved: "x-forwarded-user",
      },
      tellsIdentity: false,
    });
    const set = {
      ENABLE_HEADER_PASSTHROUGH: "true",
      DEFAULT_PASSTHROUGH_HEADERS: "X-A,X-B",
      PASSTHROUGH_HEADERS_SOURCE: "merge",
      ENABLE_OVERWRITE_BASE_HEADERS: "true",
      ENABLE_SENSITIVE_HEADER_PASSTHROUGH: "true",
      IDENTITY_PROPAGATION_ENABLED: "true",
      IDENTITY_PROPAGATION_HEADERS_PREFIX: "X-Who",
    };
    expect(targetRules(settingsOf(set))).toEqual({
      callTimeoutMs: 60_000,
      passthrough: {
        enabled: true,
        defaults: ["X-A", "X-B"],
        source: "merge",
        overwrites: true,
        sensitive: true,
        reserved: "x-who",
      },
      tellsIdentity: true,
    });
  });

  it("is told of at the start where the list names what is never passed", () => {
    const told = (env: Env) => {
      const { log, lines } = recordingLog();
      warnOfUnpassed(settingsOf(env), log);
      return lines.map(({ level, fields }) => [level, fields?.names]);
    };
    const DEFAULT_PASSTHROUGH_HEADERS = "Authorization,X-Tenant-Id,X-API-Key";
    expect(told({ DEFAULT_PASSTHROUGH_HEADERS, ENABLE_HEADER_PASSTHROUGH: "true" })).toEqual([
      ["warn", "Authorization is never passed on; X-API-Key needs ENABLE_SENSITIVE_HEADER_PASSTHROUGH"],
    ]);
    expect(told({ DEFAULT_PASSTHROUGH_HEADERS })).toEqual([]);
    expect(told({ DEFAULT_PASSTHROUGH_HEADERS: "X-Tenant-Id", ENABLE_HEADER_PASSTHROUGH: "true" })).toEqual([]);
  });
});

describe("who is told of", () => {
  it("is signed with a key that is for that alone", () => {
    const JWT_SECRET_KEY = "the key of the gateway's own tokens, which no upstream knows";
    const options = (env: Env) => identityOptions(settingsOf({ JWT_SECRET_KEY, ...env }), "issuer");
    expect(options({ IDENTITY_SIGN_CLAIMS: "true" })).toEqual({
      prefix: "X-Forwarded-User",
      signs: true,
      secret: undefined,
      issuer: "issuer",
    });
    const IDENTITY_CLAIMS_SECRET = "a key that upstreams know, and no other one";
    expect(options({ IDENTITY_CLAIMS_SECRET })).toEqual({
      prefix: "X-Forwarded-User",
      signs: false,
      secret: IDENTITY_CLAIMS_SECRET,
      issuer: "issuer",
    });
  });
});

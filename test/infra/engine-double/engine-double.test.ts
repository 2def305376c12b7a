import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isSecret, manifestsOf, plain, type Registered, type Run, runProgram, secretsIn, UNKNOWN } from "./index.ts";

const PROGRAM = {
  directory: join(import.meta.dirname, "fixture"),
  stack: "dev",
  config: { "mcp-stack:cache": { zones: 3 }, "mcp-stack:token": "t0ken" },
  secretKeys: ["mcp-stack:token"],
};
const PREFIX = "urn:pulumi:dev::mcp-stack::";
const STACK = `${PREFIX}pulumi:pulumi:Stack::mcp-stack-dev`;
const CACHE = `${PREFIX}mcp:cache:Cache::cache`;
const CONFIG = `${PREFIX}mcp:cache:Cache$kubernetes:core/v1:ConfigMap::cache-config`;
const SECRET = `${PREFIX}mcp:cache:Cache$kubernetes:core/v1:Secret::cache-secret`;
const PASSWORD = `${PREFIX}mcp:cache:Cache$random:index/randomPassword:RandomPassword::cache-password`;
const PROVIDER = `${PREFIX}pulumi:providers:kubernetes::cluster`;

/** What a resource has for which the program says nothing. */
const NOTHING_SAID: Omit<Registered, "urn" | "type" | "name" | "custom" | "parent" | "inputs"> = {
  provider: "",
  providers: {},
  dependencies: [],
  propertyDependencies: {},
  ignoreChanges: [],
  replaceOnChanges: [],
  additionalSecretOutputs: [],
  aliases: [],
  protect: false,
  retainOnDelete: false,
  deleteBeforeReplace: undefined,
  deletedWith: "",
  importId: "",
  customTimeouts: { create: "", update: "", delete: "" },
  version: "",
};

const [update, preview, failed, missing, unconfigured] = await Promise.all([
  runProgram({ ...PROGRAM, preview: false }),
  runProgram({ ...PROGRAM, preview: true }),
  runProgram({ ...PROGRAM, directory: join(import.meta.dirname, "failing"), preview: true }),
  runProgram({ ...PROGRAM, entry: "nothing.ts", preview: true }),
  runProgram({ ...PROGRAM, config: {}, secretKeys: [], preview: true }),
]);

function registered(run: Run, urn: string): Registered {
  const found = run.resources.find((one) => one.urn === urn);
  if (found === undefined) throw new Error(`${urn} was not registered`);
  return found;
}

describe("the engine double", () => {
  it("runs a program to its end and says what it registered", () => {
    for (const run of [update, preview]) {
      expect({
        ...run,
        resources: run.resources.map(({ urn }) => urn).toSorted(),
        outputs: plain(run.outputs),
      }).toEqual({
        resources: [STACK, CACHE, CONFIG, SECRET, PASSWORD, PROVIDER].toSorted(),
        reads: [],
        invokes: [],
        logs: [{ severity: "info", message: "3 zones", urn: "" }],
        outputs: { address: "cache-secret-a8c13b5d.mcp.svc", token: "t0ken", zones: 3 },
        componentOutputs: { [CACHE]: { address: "cache-secret-a8c13b5d.mcp.svc" } },
        exitCode: 0,
        stdout: "",
        stderr: "",
      });
      expect(run.resources[0]?.urn).toBe(STACK);
    }
  });

  it("keeps every option of a resource", () => {
    expect(registered(update, CACHE)).toEqual({
      ...NOTHING_SAID,
      urn: CACHE,
      type: "mcp:cache:Cache",
      name: "cache",
      custom: false,
      parent: STACK,
      inputs: {},
    });
    const { propertyDependencies, version, ...config } = registered(update, CONFIG);
    const { propertyDependencies: _, version: __, ...unsaid } = NOTHING_SAID;
    expect(config).toEqual({
      ...unsaid,
      urn: CONFIG,
      type: "kubernetes:core/v1:ConfigMap",
      name: "cache-config",
      custom: true,
      parent: CACHE,
      provider: `${PROVIDER}::cluster-id`,
      inputs: {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: "cache", namespace: "mcp" },
        data: { zones: "3" },
      },
      ignoreChanges: ["metadata.annotations"],
      aliases: [{ name: "old-config", type: "", stack: "", project: "", parentUrn: CACHE, noParent: false }],
    });
    expect(Object.keys(propertyDependencies).toSorted()).toEqual(["apiVersion", "data", "kind", "metadata"]);
    expect(version).toMatch(/^4\.\d+\.\d+$/);
    const { dependencies, customTimeouts, deleteBeforeReplace, additionalSecretOutputs } = registered(update, SECRET);
    expect({ dependencies, customTimeouts, deleteBeforeReplace, additionalSecretOutputs }).toEqual({
      dependencies: [CONFIG, PASSWORD],
      customTimeouts: { create: "2m", update: "", delete: "" },
      deleteBeforeReplace: true,
      additionalSecretOutputs: ["data", "stringData"],
    });
    expect(registered(update, PASSWORD).protect).toBe(true);
  });

  it("keeps secrets in their wrappers, and says which texts they are", () => {
    const { stringData } = registered(update, SECRET).inputs;
    expect([isSecret(stringData), isSecret(update.outputs.token), isSecret(update.outputs.zones)]).toEqual([
      true,
      true,
      false,
    ]);
    const url = "redis://:03700b03b004ec513185d4f132daacef@cache:6379";
    expect(plain(stringData)).toEqual({ token: "t0ken", url });
    expect(secretsIn(update.resources.map(({ inputs }) => inputs))).toEqual(["t0ken", url]);
  });

  it("leaves unknown in a preview what only an update knows", () => {
    expect(plain(registered(preview, SECRET).inputs.stringData)).toBe(UNKNOWN);
    expect(registered(preview, CONFIG).provider).toBe(`${PROVIDER}::${UNKNOWN}`);
    expect(secretsIn(preview.resources.map(({ inputs }) => inputs))).toEqual([]);
  });

  it("gives the objects of a cluster as manifests, named as the provider would", () => {
    expect(manifestsOf(update)).toEqual([
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "cache", namespace: "mcp" }, data: { zones: "3" } },
      {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: "cache-secret-a8c13b5d", namespace: "mcp" },
        stringData: { token: "t0ken", url: "redis://:03700b03b004ec513185d4f132daacef@cache:6379" },
      },
    ]);
  });

  it("says why a program failed", () => {
    const message = "mcp-stack:sizing: load.peakRps must be positive, it is -1";
    const { exitCode, logs, outputs } = failed;
    expect({ exitCode, logs, outputs }).toEqual({
      exitCode: 32,
      logs: [{ severity: "error", message, urn: "" }],
      outputs: {},
    });
  });

  it("says so where there is no program, or its configuration is missing", () => {
    expect([missing.exitCode === 0, missing.resources.map(({ urn }) => urn)]).toEqual([false, [STACK]]);
    expect(unconfigured.exitCode).toBe(32);
    expect(unconfigured.logs.map(({ message }) => message.split("\n")[0])).toEqual([
      "Missing required configuration variable 'mcp-stack:cache'",
    ]);
  });
});

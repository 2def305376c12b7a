/** What the Pulumi program registers for a stack on Docker, in a preview and in an update, through the double of the engine. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { DEPLOYMENT_KEY, SIZING_KEY } from "../../../../infra/config.ts";
import { contextTag, hashContext, readContext } from "../../../../infra/targets/docker/context.ts";
import { failureText } from "../../../../infra/targets/docker/ended.ts";
import { buildOf, type DockerPlan, dockerPlan } from "../../../../infra/targets/docker/plan/index.ts";
import { plain, type Registered, type Run, runProgram, secretsIn, UNKNOWN } from "../../engine-double/index.ts";
import { outputsOf } from "../../engine-double/outputs.ts";
import { stackOf } from "../kubernetes/stacks.ts";

const ROOT = join(import.meta.dirname, "../../../..");
const stackFile = z.object({ config: z.record(z.string(), z.unknown()) });
const { config } = stackFile.parse(parse(readFileSync(join(ROOT, "Pulumi.dev.yaml"), "utf8")));

function run(preview: boolean, deployment: Readonly<Record<string, unknown>> = {}): Promise<Run> {
  return runProgram({
    directory: join(ROOT, "infra"),
    stack: "dev",
    config: {
      [SIZING_KEY]: config[SIZING_KEY],
      [DEPLOYMENT_KEY]: { target: "docker", ...deployment },
    },
    preview,
  });
}

const [update, preview, rotated, named] = await Promise.all([
  run(false),
  run(true),
  run(false, { secrets: { redis: "2" } }),
  run(true, {
    images: { gateway: { reference: "registry.example/gateway:1" } },
    docker: { host: "tcp://engine:2375" },
  }),
]);
const built = stackOf("dev", { target: "docker" });
const hash = hashContext(readContext(ROOT), { NODE_IMAGE: built.deployment.images.node });
const plan: DockerPlan = dockerPlan(built.topology, built.deployment, buildOf(built.deployment, contextTag(hash)));

const CONTAINER = "docker:index/container:Container";
const ofType = (of: Run, type: string) => of.resources.filter((one) => one.type === type);

function registered(of: Run, type: string, name: string): Registered {
  const found = ofType(of, type).find((one) => one.name === name);
  if (found === undefined) throw new Error(`${name} was not registered: ${JSON.stringify(of.logs)}`);
  return found;
}

const container = (of: Run, name: string) => registered(of, CONTAINER, name);
const inputs = (of: Run, name: string) => z.record(z.string(), z.unknown()).parse(plain(container(of, name).inputs));

describe("the program on Docker", () => {
  it("ends well in an update and in a preview, where ids, digests and exit codes are not known", () => {
    for (const one of [update, preview, rotated, named])
      expect({ exitCode: one.exitCode, logs: one.logs, stderr: one.stderr }).toEqual({
        exitCode: 0,
        logs: [],
        stderr: "",
      });
  });

  it("registers what the plan describes, all of it and nothing else", () => {
    for (const one of [update, preview]) {
      const names = (type: string) =>
        ofType(one, type)
          .map(({ name }) => name)
          .toSorted();
      expect(names(CONTAINER)).toEqual(plan.containers.map(({ name }) => name).toSorted());
      expect(names("docker:index/volume:Volume")).toEqual(plan.volumes.map(({ slot }) => slot).toSorted());
      expect(names("docker:index/network:Network")).toEqual(plan.networks.map(({ name }) => name).toSorted());
      expect(names("docker:index/image:Image")).toEqual(["gateway"]);
      expect(names("random:index/randomPassword:RandomPassword")).toEqual(
        built.topology.secrets.map(({ name }) => name).toSorted(),
      );
    }
  });

  it("names the provider everywhere, and is told where the engine is", () => {
    const own = update.resources.filter(({ custom, type }) => custom && type.startsWith("docker:"));
    expect(own.filter(({ provider }) => !provider.includes("pulumi:providers:docker::docker"))).toEqual([]);
    expect(registered(update, "pulumi:providers:docker", "docker").inputs).not.toHaveProperty("host");
    expect(registered(named, "pulumi:providers:docker", "docker").inputs).toMatchObject({ host: "tcp://engine:2375" });
  });

  it("builds the image under the hash of its context, never pushes it and never builds it in a preview", () => {
    for (const one of [update, preview])
      expect(registered(one, "docker:index/image:Image", "gateway").inputs).toEqual({
        imageName: `mcp-stack/gateway:${contextTag(hash)}`,
        build: {
          context: ROOT,
          dockerfile: join(ROOT, "Dockerfile"),
          args: { NODE_IMAGE: "docker.io/library/node:26-slim" },
        },
        skipPush: true,
        buildOnPreview: false,
      });
  });

  it("has the gateway run the image that was built, by its digest, so that another build is another container", () => {
    const image = String(inputs(update, "mcp-dev-gateway").image);
    expect(image).toMatch(/^mcp-stack\/gateway@sha256:[0-9a-f]{64}$/);
    expect(inputs(update, "mcp-dev-migrations").image).toBe(image);
    expect(inputs(preview, "mcp-dev-gateway").image).toBe(UNKNOWN);
    expect(plain(update.outputs.image)).toBe(image);
  });

  it("tells the gateway from which addresses nginx comes, once the engine has chosen them", () => {
    const trusted = (of: Run) =>
      z
        .array(z.string())
        .parse(inputs(of, "mcp-dev-gateway").envs)
        .filter((env) => env === UNKNOWN || env.startsWith("TRUSTED_PROXIES="));
    const network = { type: "docker:index/network:Network", name: "mcp-dev-inside", inputs: {}, isPreview: false };
    const [{ subnet }] = z.tuple([z.object({ subnet: z.string() })]).parse(outputsOf(network, []).ipamConfigs);
    expect(trusted(update)).toEqual([`TRUSTED_PROXIES=${subnet}`]);
    expect(trusted(preview)).toEqual([UNKNOWN]);
  });

  it("builds nothing where the stack names an image", () => {
    expect(ofType(named, "docker:index/image:Image")).toEqual([]);
    expect(inputs(named, "mcp-dev-gateway").image).toBe("registry.example/gateway:1");
  });
});

describe("a container", () => {
  it("of a service is registered with everything that the provider has to be told", () => {
    const described = plan.containers.find(({ name }) => name === "mcp-dev-redis");
    const seeds = ["mcp-dev-redis-files", "mcp-dev-redis-secrets"];
    const volume = (slot: string) => plan.volumes.find((one) => one.slot === slot)?.name;
    const { envs, command, healthcheck, ...rest } = inputs(update, "mcp-dev-redis");
    expect(envs).toEqual(Object.entries(described?.environment ?? {}).map(([name, value]) => `${name}=${value}`));
    expect(command).toEqual(described?.command);
    expect(healthcheck).toEqual({
      tests: ["CMD", ...(described?.health?.command ?? [])],
      interval: "5s",
      timeout: expect.stringMatching(/^\d+s$/),
      startPeriod: "5m0s",
      retries: described?.health?.retries,
    });
    expect(rest).toEqual({
      name: "mcp-dev-redis",
      image: built.deployment.images.redis.reference,
      user: "999:999",
      entrypoints: ["sh"],
      networkMode: "bridge",
      networksAdvanced: [
        { name: "mcp-dev-inside-id", aliases: ["redis"] },
        { name: "mcp-dev-edge-id", aliases: [] },
      ],
      ports: [{ internal: 6379, external: 6379, ip: "127.0.0.1", protocol: "tcp" }],
      mounts: [
        { type: "volume", source: volume(seeds[0] ?? ""), target: "/etc/mcp-stack", readOnly: true },
        { type: "volume", source: volume(seeds[1] ?? ""), target: "/run/secrets/mcp-stack", readOnly: true },
      ],
      tmpfs: described?.tmpfs,
      uploads: [],
      readOnly: true,
      capabilities: { drops: ["ALL"], adds: [] },
      securityOpts: ["no-new-privileges:true"],
      privileged: false,
      memory: described?.memoryMiB,
      memorySwap: described?.memoryMiB,
      cpuPeriod: 100_000,
      cpuQuota: 100_000 * (described?.cpus ?? 0),
      ulimits: [{ name: "nofile", ...described?.nofile }],
      sysctls: {},
      wait: true,
      waitTimeout: described?.health?.waitS,
      stopSignal: "SIGTERM",
      stopTimeout: described?.stop.graceS,
      destroyGraceSeconds: described?.stop.graceS,
      restart: "unless-stopped",
      start: true,
      mustRun: true,
      attach: false,
      logs: false,
      logDriver: "json-file",
      logOpts: { "max-size": "16m", "max-file": "4" },
      removeVolumes: true,
      labels: [
        ...Object.entries(described?.labels ?? {}).map(([label, value]) => ({ label, value })),
        ...seeds.map((seed, at) => ({ label: `mcp-stack.starts-with.${at + 1}`, value: `${seed}-id` })),
      ],
    });
  });

  it("is replaced by what the provider would only call an update, the old one first, and has time to become healthy", () => {
    for (const { name, deleteBeforeReplace, replaceOnChanges, customTimeouts } of ofType(update, CONTAINER)) {
      const described = plan.containers.find((one) => one.name === name);
      expect({ name, deleteBeforeReplace, replaceOnChanges, create: customTimeouts.create }).toEqual({
        name,
        deleteBeforeReplace: true,
        replaceOnChanges: ["healthcheck", "tmpfs", "init", "cpuPeriod", "cpuQuota", "#initerror"],
        create: `${300 + Math.max(described?.health?.waitS ?? 0, described?.deadlineS ?? 0)}s`,
      });
    }
  });

  it("starts after what it waits for", () => {
    const waits = ofType(update, CONTAINER).map(({ name, dependencies }) => [
      name,
      dependencies.filter((urn) => urn.includes(CONTAINER)).map((urn) => urn.split("::").at(-1)),
    ]);
    const described = plan.containers.map(({ name, after }) => [name, after]);
    const sorted = (of: readonly (readonly unknown[])[]) =>
      Object.fromEntries(of.map(([name, names]) => [String(name), z.array(z.string()).parse(names).toSorted()]));
    expect(sorted(waits)).toEqual(sorted(described));
  });

  it("of a job runs to its end, is not started again, and what it says is kept", () => {
    const { attach, mustRun, logs, restart, start, healthcheck, wait } = inputs(update, "mcp-dev-migrations");
    expect({ attach, mustRun, logs, restart, start, healthcheck, wait }).toEqual({
      attach: true,
      mustRun: false,
      logs: true,
      restart: "no",
      start: true,
      healthcheck: { tests: ["NONE"] },
      wait: false,
    });
  });

  it("of a schedule is made and not started", () => {
    const { attach, mustRun, start } = inputs(update, "mcp-dev-backup");
    expect({ attach, mustRun, start }).toEqual({ attach: false, mustRun: false, start: false });
    expect(plain(update.outputs.schedules)).toEqual(plan.schedules);
  });

  it("that prepares files has no network and a root that uploads can go through", () => {
    const { networkMode, networksAdvanced, readOnly, user, capabilities } = inputs(update, "mcp-dev-redis-files");
    expect({ networkMode, networksAdvanced, readOnly, user, capabilities }).toEqual({
      networkMode: "none",
      networksAdvanced: undefined,
      readOnly: false,
      user: "0:0",
      capabilities: { drops: ["ALL"], adds: ["CAP_CHOWN"] },
    });
  });
});

describe("networks and volumes", () => {
  it("say whether they are internal in so many words", () => {
    const internal = ofType(update, "docker:index/network:Network").map(({ name, inputs: one }) => [
      name,
      one.internal,
    ]);
    expect(Object.fromEntries(internal)).toEqual({
      "mcp-dev-inside": true,
      "mcp-dev-edge": false,
      "mcp-dev-outside": false,
    });
  });

  it("of kept data ignore every change that would replace them; the others have a name for each content", () => {
    const volumes = ofType(update, "docker:index/volume:Volume");
    const kept = volumes.filter(({ ignoreChanges }) => ignoreChanges.length > 0);
    expect(kept.map(({ name, ignoreChanges, inputs: one }) => [name, ignoreChanges, one.name]).toSorted()).toEqual(
      ["mcp-dev-backups", "mcp-dev-postgres-data"].map((name) => [name, ["labels", "driver", "driverOpts"], name]),
    );
    const others = volumes.filter(({ ignoreChanges }) => ignoreChanges.length === 0);
    expect(
      others.filter(({ name, inputs: one }) => !new RegExp(`^${name}-[0-9a-f]{12}$`).test(String(one.name))),
    ).toEqual([]);
  });
});

describe("secrets", () => {
  const values = ofType(update, "random:index/randomPassword:RandomPassword").length;

  it("are letters and digits, and made anew with their version", () => {
    const redis = (of: Run) => registered(of, "random:index/randomPassword:RandomPassword", "redis-gateway").inputs;
    expect(redis(update)).toEqual({ length: 48, special: false, keepers: { version: "1" } });
    expect(redis(rotated)).toEqual({ length: 48, special: false, keepers: { version: "2" } });
  });

  it("are nowhere but in uploads, each in an entry of its own that is secret as a whole", () => {
    const texts = new Set(update.resources.flatMap(({ inputs: one }) => secretsIn(one)));
    expect(texts.size).toBeGreaterThanOrEqual(values);
    const open = update.resources.filter(({ inputs: { uploads, ...other } }) => secretsIn(other).length > 0);
    expect(open.map(({ name }) => name)).toEqual([]);
    const bearers = update.resources.filter(({ inputs: one }) => secretsIn(one).length > 0).map(({ name }) => name);
    expect(bearers.toSorted()).toEqual(
      plan.containers.flatMap(({ name, role }) => (role === "secrets" ? [name] : [])).toSorted(),
    );
    const written = JSON.stringify([
      update.outputs,
      update.resources.map(({ inputs: { uploads, ...other } }) => other),
    ]);
    expect([...texts].filter((text) => written.includes(text))).toEqual([]);
  });

  it("that are rotated change the volumes of whoever reads them, and no other", () => {
    const names = (of: Run) =>
      new Map(ofType(of, "docker:index/volume:Volume").map((one) => [one.name, one.inputs.name]));
    const [before, after] = [names(update), names(rotated)];
    const changed = [...before].filter(([slot, name]) => after.get(slot) !== name).map(([slot]) => slot);
    expect(changed.toSorted()).toEqual(["mcp-dev-gateway-secrets", "mcp-dev-redis-secrets"]);
  });
});

describe("what had to end well and did not", () => {
  const urn = "urn:pulumi:dev::mcp-stack::mcp:docker:Stack$docker:index/container:Container::mcp-dev-roles";

  it("is told with its last words and the command that tries again", () => {
    expect(failureText("mcp-dev-roles", { code: 2, logs: "one\ntwo\n", urn })).toBe(
      `mcp-dev-roles ended with 2: one\ntwo\nWhen the cause is gone: pulumi up --replace '${urn}'`,
    );
    const long = Array.from({ length: 30 }, (_, at) => `line ${at}`).join("\n");
    expect(failureText("x", { code: 1, logs: long, urn })?.split("\n").slice(0, 2)).toEqual([
      "x ended with 1: line 10",
      "line 11",
    ]);
    expect(failureText("x", { code: undefined, logs: undefined, urn })).toBe(
      `x ended with an exit code that nobody saw: docker logs x may say more\nWhen the cause is gone: pulumi up --replace '${urn}'`,
    );
  });

  it("is nothing for exit code 0", () => {
    expect(failureText("x", { code: 0, logs: "done", urn })).toBeNull();
  });
});

/** What a Docker engine is to have for a topology: whole structures, and what Docker would get wrong if nobody told it. */
import { describe, expect, it } from "vitest";
import { buildOf, type DockerContainer, dockerPlan } from "../../../../infra/targets/docker/plan/index.ts";
import { secretsIn, type Topology } from "../../../../infra/topology/index.ts";
import { stackOf } from "../kubernetes/stacks.ts";
import { deployment, topology, withWorkload } from "./small.ts";

const build = buildOf(deployment, "0123456789abcdef0123");
const plan = dockerPlan(topology, deployment, build);
const planOf = (other: Topology) => dockerPlan(other, deployment, build);

function container(name: string, of = plan): DockerContainer {
  const found = of.containers.find((one) => one.name === name);
  if (found === undefined) throw new Error(`${name} is not described`);
  return found;
}

describe("the networks", () => {
  const labels = { "mcp-stack.stack": "try" };
  const options = (masquerade: string) => ({
    "com.docker.network.bridge.enable_icc": "false",
    "com.docker.network.bridge.enable_ip_masquerade": masquerade,
  });

  it("are one inside, one for published ports and one with the way out", () => {
    expect(plan.networks).toEqual([
      { name: "mcp-try-inside", isInternal: true, options: {}, labels },
      { name: "mcp-try-edge", isInternal: false, options: options("false"), labels },
      { name: "mcp-try-outside", isInternal: false, options: options("true"), labels },
    ]);
  });

  it("have every container inside by its workload's name, and beyond it only where it is published or calls somebody outside", () => {
    const attached = plan.containers
      .filter(({ networks }) => networks.length > 0)
      .map(({ name, networks, ports }) => [name, networks.map((one) => [one.name, ...one.aliases].join(" ")), ports]);
    expect(attached).toEqual([
      [
        "mcp-try-store",
        ["mcp-try-inside store", "mcp-try-edge"],
        [{ inside: 5432, outside: 55, address: "192.0.2.1" }],
      ],
      ["mcp-try-schema", ["mcp-try-inside schema"], []],
      [
        "mcp-try-gateway-1",
        ["mcp-try-inside gateway", "mcp-try-outside"],
        [{ inside: 4444, outside: 4444, address: "192.0.2.1" }],
      ],
      ["mcp-try-gateway-2", ["mcp-try-inside gateway", "mcp-try-outside"], []],
      ["mcp-try-nightly", ["mcp-try-inside nightly"], []],
      ["mcp-try-counters", ["mcp-try-inside counters"], []],
    ]);
  });

  it("publish no port of a container that is only in an internal network: Docker would not, and would replace it at every update", () => {
    const internal = new Set(plan.networks.filter(({ isInternal }) => isInternal).map(({ name }) => name));
    const unpublished = plan.containers.filter(
      ({ ports, networks }) => ports.length > 0 && networks.every(({ name }) => internal.has(name)),
    );
    expect(unpublished).toEqual([]);
  });
});

describe("a service", () => {
  it("is described whole", () => {
    const volume = (slot: string) => plan.volumes.find((one) => one.slot === slot)?.name ?? slot;
    expect(container("mcp-try-store")).toEqual({
      name: "mcp-try-store",
      role: "service",
      workload: "store",
      image: "registry.example/postgres:18",
      user: "999:999",
      entrypoint: ["sh"],
      command: ["-c", "start the store"],
      environment: { MODE: "store" },
      networks: [
        { name: "mcp-try-inside", aliases: ["store"] },
        { name: "mcp-try-edge", aliases: [] },
      ],
      ports: [{ inside: 5432, outside: 55, address: "192.0.2.1" }],
      mounts: [
        { volume: volume("mcp-try-store-files"), path: "/etc/mcp-stack", isReadOnly: true },
        { volume: volume("mcp-try-store-secrets"), path: "/run/secrets/mcp-stack", isReadOnly: true },
        { volume: "mcp-try-store-data", path: "/var/lib/mcp-stack", isReadOnly: false },
      ],
      tmpfs: {
        "/tmp": "rw,nosuid,nodev,exec,size=16m,mode=0700,uid=999,gid=999",
        "/work": "rw,nosuid,nodev,exec,size=8m,mode=0700,uid=999,gid=999",
      },
      sharedMemoryMiB: 128,
      uploads: [],
      isRootReadOnly: true,
      capabilities: [],
      // What the plan gives the process, and scratch space that it counted as disk.
      memoryMiB: 64 + 16,
      cpus: 0.5,
      // A quarter more than needed would be 1250; the engine may grant 1100.
      nofile: { soft: 1000, hard: 1100 },
      sysctls: { "net.ipv4.ip_local_port_range": "37536 65535" },
      health: { command: ["ask", "me"], intervalS: 5, timeoutS: 2, retries: 3, startS: 50, waitS: 50 + 3 * (5 + 2) },
      stop: { signal: "SIGINT", graceS: 60 },
      restart: "unless-stopped",
      deadlineS: null,
      labels: { "mcp-stack.stack": "try", "mcp-stack.workload": "store", "mcp-stack.checksum": "a".repeat(64) },
      after: ["mcp-try-store-files", "mcp-try-store-secrets", "mcp-try-store-store-data-ownership"],
      startsWith: ["mcp-try-store-files", "mcp-try-store-secrets"],
    });
  });

  it("has every replica, in front of one name, of the image that is built here", () => {
    expect(
      ["mcp-try-gateway-1", "mcp-try-gateway-2"].map((name) => {
        const { image, networks, after } = container(name);
        return [image, networks[0]?.aliases, after];
      }),
    ).toEqual([
      ["mcp-stack/gateway:0123456789abcdef0123", ["gateway"], ["mcp-try-schema"]],
      ["mcp-stack/gateway:0123456789abcdef0123", ["gateway"], ["mcp-try-schema"]],
    ]);
    expect(plan.build).toEqual({
      imageName: "mcp-stack/gateway:0123456789abcdef0123",
      arguments: { NODE_IMAGE: "registry.example/node:26" },
    });
  });

  it("is asked nothing where its image has nothing to ask with", () => {
    expect(container("mcp-try-counters").health).toBeNull();
  });

  it("starts again when a file changes that a daemon elsewhere would read again", () => {
    const file = { path: "/etc/mcp-stack/a", text: "1", isSecret: false, isReread: true };
    const label = (text: string) =>
      container("mcp-try-counters", planOf(withWorkload("counters", { files: [{ ...file, text }] }))).labels[
        "mcp-stack.checksum"
      ];
    expect(label("1")).not.toBe(label("2"));
    expect(container("mcp-try-counters").labels["mcp-stack.checksum"]).toBe("e".repeat(64));
  });
});

describe("files", () => {
  it("are written by a container without network into a volume, given to the workload's user, and mounted read-only", () => {
    const seed = container("mcp-try-store-secrets");
    const [mount] = seed.mounts;
    expect(seed).toEqual({
      name: "mcp-try-store-secrets",
      role: "secrets",
      workload: "store",
      image: "registry.example/postgres:18",
      user: "0:0",
      entrypoint: ["chown"],
      command: ["-R", "999:999", "/run/secrets/mcp-stack"],
      environment: {},
      networks: [],
      ports: [],
      mounts: [{ volume: mount?.volume, path: "/run/secrets/mcp-stack", isReadOnly: false }],
      tmpfs: {},
      sharedMemoryMiB: null,
      uploads: [{ path: "/run/secrets/mcp-stack/password", text: "{{secret:store:plain}}", mode: "0400" }],
      isRootReadOnly: false,
      capabilities: ["CHOWN"],
      memoryMiB: 32,
      cpus: 1,
      nofile: null,
      sysctls: {},
      health: null,
      stop: { signal: "SIGTERM", graceS: 10 },
      restart: "no",
      deadlineS: 60,
      labels: { "mcp-stack.stack": "try", "mcp-stack.workload": "store" },
      after: [],
      startsWith: [],
    });
    expect(container("mcp-try-store").mounts).toContainEqual({ ...mount, isReadOnly: true });
  });

  it("are prepared by an image with a shell where their own has none", () => {
    expect(container("mcp-try-counters-secrets")).toMatchObject({
      image: "registry.example/postgres:18",
      command: ["-R", "65534:65534", "/run/secrets/mcp-stack"],
    });
    expect(container("mcp-try-schema-secrets").image).toBe("mcp-stack/gateway:0123456789abcdef0123");
  });

  it("are in another volume when one of them is another or gone, or their secret is rotated; the other kind is not", () => {
    const names = (of: Topology) => ["files", "secrets"].map((kind) => volumeOf(of, `mcp-try-store-${kind}`));
    const volumeOf = (of: Topology, slot: string) => planOf(of).volumes.find((one) => one.slot === slot)?.name;
    const [files, secrets] = names(topology);
    const [plain, secret] = topology.workloads[0]?.files ?? [];
    if (plain === undefined || secret === undefined) throw new Error("the store has two files");
    expect(names(withWorkload("store", { files: [{ ...plain, text: "size 2\n" }, secret] }))).toEqual([
      expect.not.stringMatching(`^${files}$`),
      secrets,
    ]);
    const more = withWorkload("store", { files: [plain, { ...plain, path: "/etc/mcp-stack/more.conf" }, secret] });
    expect(names(more)).toEqual([expect.not.stringMatching(`^${files}$`), secrets]);
    const rotated: Topology = {
      ...topology,
      secrets: [{ name: "store", why: "password of the store", kind: "generated", length: 48, version: "2" }],
    };
    expect(names(rotated)).toEqual([files, expect.not.stringMatching(`^${secrets}$`)]);
  });

  it("are not written again when something else changes that the process reads", () => {
    const seeds = (of: Topology) => planOf(of).containers.filter(({ uploads }) => uploads.length > 0);
    const changed = withWorkload("store", { checksum: "f".repeat(64), environment: { MODE: "other" } });
    expect(seeds(changed)).toEqual(seeds(topology));
  });

  it("of two kinds share no directory", () => {
    const file = { path: "/etc/mcp-stack/a", text: "", isReread: false };
    const both = withWorkload("store", {
      files: [
        { ...file, isSecret: false },
        { ...file, path: "/etc/mcp-stack/b", isSecret: true },
      ],
    });
    expect(() => planOf(both)).toThrow(
      new RangeError("store keeps two kinds of files in /etc/mcp-stack; each kind needs a directory of its own"),
    );
  });
});

describe("kept data", () => {
  it("has one volume, whoever mounts it and whatever changes around it", () => {
    const kept = (of: Topology) => planOf(of).volumes.filter(({ isKept }) => isKept);
    const expected = [
      { slot: "mcp-try-store-data", name: "mcp-try-store-data", isKept: true, labels: { "mcp-stack.stack": "try" } },
    ];
    expect(kept(topology)).toEqual(expected);
    const changed = withWorkload("store", {
      checksum: "f".repeat(64),
      image: { reference: "registry.example/postgres:19", uid: 70 },
      volumes: [{ kind: "kept", name: "store-data", path: "/elsewhere", sizeGiB: 9 }],
    });
    expect(kept(changed)).toEqual(expected);
  });

  it("belongs to the user of the process: a volume is made for root", () => {
    const { role, user, command, mounts, networks, capabilities, isRootReadOnly } = container(
      "mcp-try-store-store-data-ownership",
    );
    expect({ role, user, command, mounts, networks, capabilities, isRootReadOnly }).toEqual({
      role: "ownership",
      user: "0:0",
      command: ["999:999", "/var/lib/mcp-stack"],
      mounts: [{ volume: "mcp-try-store-data", path: "/var/lib/mcp-stack", isReadOnly: false }],
      networks: [],
      capabilities: ["CHOWN"],
      isRootReadOnly: true,
    });
  });
});

describe("what ends", () => {
  it("is waited for as long as its deadline, and tried once", () => {
    const { role, restart, deadlineS, after } = container("mcp-try-schema");
    expect({ role, restart, deadlineS, after }).toEqual({
      role: "job",
      restart: "no",
      deadlineS: 600,
      after: ["mcp-try-schema-secrets", "mcp-try-store"],
    });
  });

  it("by the clock is made, and started by somebody who has one", () => {
    expect(plan.schedules).toEqual([
      { container: "mcp-try-nightly", cron: "17 2 * * *", command: "docker start --attach mcp-try-nightly" },
    ]);
    expect(container("mcp-try-nightly")).toMatchObject({ role: "schedule", restart: "no", deadlineS: null });
  });

  it("and is not there cannot be waited for", () => {
    expect(() => planOf(withWorkload("gateway", { after: ["nobody"] }))).toThrow(
      new RangeError("nobody is waited for and is not in the topology"),
    );
  });
});

describe("services that somebody else runs", () => {
  const networks = ["192.0.2.0/24"];
  const built = stackOf("dev", {
    target: "docker",
    postgres: { variant: "external", host: "db.example", networks },
    redis: { variant: "external", networks },
  });
  const managed = dockerPlan(built.topology, built.deployment, buildOf(built.deployment, "0123456789abcdef0123"));

  it("are reached by the way out, and leave no data here", () => {
    const out = managed.containers.flatMap(({ name, networks: of }) =>
      of.some((one) => one.name === "mcp-dev-outside") ? [name] : [],
    );
    expect(out).toEqual(["mcp-dev-migrations", "mcp-dev-pgbouncer", "mcp-dev-gateway"]);
    expect(managed.volumes.filter(({ isKept }) => isKept)).toEqual([]);
    expect(managed.schedules).toEqual([]);
  });
});

describe("the committed dev stack", () => {
  const built = stackOf("dev", { target: "docker", exporters: { redis: {}, postgres: {}, nginx: {} } });
  const dev = dockerPlan(built.topology, built.deployment, buildOf(built.deployment, "0123456789abcdef0123"));

  it("publishes the ports of the sources on loopback", () => {
    expect(
      dev.containers.flatMap(({ workload, ports }) =>
        ports.map((port) => [workload, port.inside, port.outside, port.address]),
      ),
    ).toEqual([
      ["postgres", 5432, 5433, "127.0.0.1"],
      ["redis", 6379, 6379, "127.0.0.1"],
      ["pgbouncer", 6432, 6432, "127.0.0.1"],
      ["gateway", 4444, 4444, "127.0.0.1"],
      ["nginx", 8080, 8080, "127.0.0.1"],
    ]);
    expect(dev.entry).toEqual({ address: "127.0.0.1", port: 8080 });
  });

  it("starts nginx anew with the gateways: older ones ask for an address once", () => {
    const nginx = dev.containers.find(({ name }) => name === "mcp-dev-nginx");
    expect(nginx?.startsWith).toEqual(["mcp-dev-nginx-files", "mcp-dev-gateway"]);
  });

  it("has an order: everything that is waited for stands before", () => {
    const early = dev.containers.flatMap(({ name, after }, at) => {
      const before = new Set(dev.containers.slice(0, at).map((one) => one.name));
      return after.filter((other) => !before.has(other)).map((other) => `${name} before ${other}`);
    });
    expect(early).toEqual([]);
  });

  it("names every network and volume that it uses, each container once, and has labels to find them by", () => {
    const volumes = new Set(dev.volumes.map(({ name }) => name));
    const networks = new Set(dev.networks.map(({ name }) => name));
    expect(dev.containers.flatMap(({ mounts }) => mounts.filter(({ volume }) => !volumes.has(volume)))).toEqual([]);
    expect(dev.containers.flatMap((one) => one.networks.filter(({ name }) => !networks.has(name)))).toEqual([]);
    expect(new Set(dev.containers.map(({ name }) => name)).size).toBe(dev.containers.length);
    const all = [...dev.containers, ...dev.volumes, ...dev.networks];
    expect(all.filter(({ labels }) => labels["mcp-stack.stack"] !== "dev")).toEqual([]);
  });

  it("has secrets in uploads of their own containers and nowhere else", () => {
    const marked = (value: unknown) => secretsIn(JSON.stringify(value)).length > 0;
    const { containers, ...rest } = dev;
    expect(marked(rest)).toBe(false);
    expect(containers.filter(({ uploads, ...other }) => marked(other))).toEqual([]);
    expect(
      containers.filter(({ role, uploads }) => uploads.some(({ text }) => marked(text) !== (role === "secrets"))),
    ).toEqual([]);
  });

  it("runs everything but preparations as the image's user, on a read-only root, without capabilities", () => {
    const loose = dev.containers.filter(
      ({ role, isRootReadOnly, capabilities, user }) =>
        !["files", "secrets", "ownership"].includes(role) &&
        (!isRootReadOnly || capabilities.length > 0 || user.startsWith("0:")),
    );
    expect(loose).toEqual([]);
    const written = dev.containers.filter(({ isRootReadOnly, uploads }) => isRootReadOnly && uploads.length > 0);
    expect(written).toEqual([]);
  });

  it("asks for no more descriptors than the engine may grant", () => {
    const hard = built.topology.plan.kernel.nofileHard;
    expect(
      dev.containers.filter(({ nofile }) => nofile !== null && (nofile.hard > hard || nofile.hard < nofile.soft)),
    ).toEqual([]);
  });
});

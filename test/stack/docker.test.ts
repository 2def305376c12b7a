/** The dev stack on a real engine: up, a call through nginx, nothing left to do, a rotation, and nothing left at the end. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { readContext } from "../../infra/targets/docker/context.ts";
import { connectV2, freePort, titled, waitFor } from "../harness/index.ts";
import { type DockerStack, docker, dockerStack, missingForDocker } from "./docker-stack.ts";

const ROOT = join(import.meta.dirname, "../..");
const reason = missingForDocker();
const UPDATE_MS = 600_000;
const TOOL = {
  name: "time__convert_time",
  arguments: { source_timezone: "Europe/Berlin", target_timezone: "Europe/Dublin", time: "09:00" },
};

const inspected = z.looseObject({
  Id: z.string(),
  Name: z.string(),
  Image: z.string(),
  State: z.looseObject({ StartedAt: z.string(), Health: z.looseObject({ Status: z.string() }).optional() }),
  Config: z.looseObject({
    User: z.string(),
    Labels: z.record(z.string(), z.string()),
    Env: z.array(z.string()).nullable(),
  }),
  HostConfig: z.looseObject({
    ReadonlyRootfs: z.boolean(),
    Memory: z.number(),
    MemorySwap: z.number(),
    CapDrop: z.array(z.string()).nullable(),
    CapAdd: z.array(z.string()).nullable(),
    SecurityOpt: z.array(z.string()).nullable(),
  }),
  NetworkSettings: z.looseObject({ Networks: z.record(z.string(), z.looseObject({ IPAddress: z.string() })) }),
});
type Inspected = z.infer<typeof inspected>;
const ipam = z.looseObject({ Subnet: z.string(), Gateway: z.string().optional() });

describe.skipIf(reason !== undefined)(titled("the dev stack on a Docker engine", reason), () => {
  let stack: DockerStack;
  let ports: Readonly<Record<string, number>>;
  const deploymentOf = (secrets: Readonly<Record<string, string>>) => ({
    docker: { ports },
    upstreams: { servers: { time: { command: "node", args: ["/app/examples/time-server.ts"] } } },
    gateway: { records: { audit: "changes" } },
    secrets,
  });

  beforeAll(async () => {
    stack = await dockerStack();
    const names = ["nginx", "gateway", "pgbouncer", "postgres", "redis"];
    ports = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()] as const)));
    await stack.configure(deploymentOf({}));
    await stack.pulumi("stack", "init");
    await stack.pulumi("up", "--yes", "--skip-preview");
  }, UPDATE_MS);

  afterAll(async () => {
    await stack?.remove();
  }, UPDATE_MS);

  const nameOf = (workload: string) => `mcp-${stack.name}-${workload}`;

  async function live(): Promise<ReadonlyMap<string, Inspected>> {
    const said = await docker("container", "inspect", ...(await stack.onEngine("container")));
    const all = z.array(inspected).parse(JSON.parse(said));
    return new Map(all.map((one) => [one.Name.replace(/^\//, ""), one]));
  }

  async function ofNetwork(name: string): Promise<z.infer<typeof ipam> | undefined> {
    const said = JSON.parse(await docker("network", "inspect", nameOf(name)));
    return z.tuple([z.looseObject({ IPAM: z.looseObject({ Config: z.array(ipam) }) })]).parse(said)[0].IPAM.Config[0];
  }

  async function call(): Promise<unknown> {
    const token = await docker("exec", nameOf("gateway"), "node", "/app/cli/mcp-stack.js", "token");
    const auth = { headers: { authorization: `Bearer ${token}` } };
    const client = await connectV2(`http://127.0.0.1:${ports.nginx}/mcp`, auth, "modern");
    try {
      const { content } = await client.callTool(TOOL);
      const [first] = z.array(z.looseObject({ text: z.string() })).parse(content);
      return z.looseObject({ differenceHours: z.number() }).parse(JSON.parse(first?.text ?? "null")).differenceHours;
    } finally {
      await client.close();
    }
  }

  it("answers a call of a tool through nginx", async () => {
    const { url } = z
      .looseObject({ url: z.string() })
      .parse(JSON.parse(await stack.pulumi("stack", "output", "--json")));
    expect(url).toBe(`http://127.0.0.1:${ports.nginx}`);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    expect(await call()).toBe(-1);
  });

  it("believes nginx about its clients, and nobody who comes by another way", async () => {
    const [subnet, edge, outside] = await Promise.all(["inside", "edge", "outside"].map(ofNetwork));
    const { Env } = (await live()).get(nameOf("gateway"))?.Config ?? { Env: null };
    expect(Env?.filter((env) => env.startsWith("TRUSTED_PROXIES="))).toEqual([`TRUSTED_PROXIES=${subnet?.Subnet}`]);
    const token = await docker("exec", nameOf("gateway"), "node", "/app/cli/mcp-stack.js", "token");
    const change = async (port: number | undefined, id: string) => {
      const headers = { authorization: `Bearer ${token}`, "x-correlation-id": id, "x-forwarded-for": "203.0.113.9" };
      const { status } = await fetch(`http://127.0.0.1:${port}/gateways/none`, { method: "DELETE", headers });
      expect(status).toBe(404);
      const audit = `http://127.0.0.1:${ports.nginx}/admin/audit?correlation_id=${id}`;
      const { rows } = z
        .object({ rows: z.array(z.looseObject({ remote: z.string() })) })
        .parse(await (await fetch(audit, { headers })).json());
      return rows.map(({ remote }) => remote);
    };
    // Who comes to a published port from this machine has the address that the engine has in that network.
    expect(await change(ports.nginx, "by-nginx")).toEqual([edge?.Gateway]);
    expect(await change(ports.gateway, "past-nginx")).toEqual([outside?.Gateway]);
  });

  it("has nothing left to do", { timeout: UPDATE_MS }, async () => {
    expect(await stack.pulumi("preview", "--expect-no-changes")).toContain("unchanged");
  });

  it("runs as described: not as root, on a read-only root, without capabilities and swap, only in its networks", async () => {
    const containers = await live();
    const services = ["postgres", "redis", "pgbouncer", "gateway", "nginx"];
    const seen = services.map((name) => {
      const one = containers.get(nameOf(name));
      if (one === undefined) throw new Error(`${name} does not run`);
      const { HostConfig: host } = one;
      return {
        name,
        health: one.State.Health?.Status,
        isRoot: one.Config.User.startsWith("0"),
        readOnly: host.ReadonlyRootfs,
        swap: host.MemorySwap - host.Memory,
        capabilities: [host.CapDrop, host.CapAdd ?? []],
        security: host.SecurityOpt,
        networks: Object.keys(one.NetworkSettings.Networks).toSorted(),
      };
    });
    expect(seen).toEqual(
      services.map((name) => ({
        name,
        health: "healthy",
        isRoot: false,
        readOnly: true,
        swap: 0,
        capabilities: [["ALL"], []],
        security: ["no-new-privileges:true"],
        networks: [nameOf(name === "gateway" ? "outside" : "edge"), nameOf("inside")].toSorted(),
      })),
    );
  });

  it("gives processes the descriptors of the plan, and files to their user alone", async () => {
    const limits = await docker("exec", nameOf("postgres"), "sh", "-c", "ulimit -Sn; ulimit -Hn");
    const [soft = 0, hard = 0] = limits.split("\n").map(Number);
    expect(hard).toBe(Math.ceil(soft * 1.25));
    const modes = "find /etc/mcp-stack /run/secrets/mcp-stack -type f -exec stat -c '%a %u' {} + | sort -u";
    const uid = await docker("exec", nameOf("postgres"), "id", "-u");
    expect(await docker("exec", nameOf("postgres"), "sh", "-c", modes)).toBe(`400 ${uid}`);
  });

  it("keeps containers apart in the network of published ports", async () => {
    const nginx = (await live()).get(nameOf("nginx"));
    const gateway = (await live()).get(nameOf("gateway"));
    const address = (network: string) => nginx?.NetworkSettings.Networks[nameOf(network)]?.IPAddress;
    const reach = async (network: string) => {
      const ask = `fetch("http://${address(network)}:8080/health",{signal:AbortSignal.timeout(3000)}).then(()=>console.log("open"),()=>console.log("closed"))`;
      const where = ["--network", nameOf(network), "--entrypoint", "node"];
      return await docker("run", "--rm", ...where, gateway?.Image ?? "", "-e", ask);
    };
    expect([await reach("inside"), await reach("edge")]).toEqual(["open", "closed"]);
  });

  it("has in the gateway's image what its tag was computed over, as root's, and nothing else of the project", async () => {
    const image = (await live()).get(nameOf("gateway"))?.Image ?? "";
    const list = "cd /app && find . -path ./node_modules -prune -o -type f -printf '%P %m %u\\n' | sort";
    const inImage = await docker("run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", list);
    const expected = readContext(ROOT)
      .filter(({ path }) => path !== "Dockerfile")
      .map(({ path, isExecutable }) => `${path} ${isExecutable ? "755" : "644"} root`);
    expect(inImage.split("\n").toSorted()).toEqual(expected.toSorted());
  });

  it("has an image that runs by itself: embedded database, read-only root, no capabilities", {
    timeout: UPDATE_MS,
  }, async () => {
    const image = (await live()).get(nameOf("gateway"))?.Image ?? "";
    const confined = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true"];
    const room = ["--tmpfs", "/data:mode=0700,uid=1000,gid=1000,size=512m", "--tmpfs", "/tmp"];
    const settings = ["--env", "DATA_DIR=/data", "--env", "HOST=0.0.0.0", "--publish", "127.0.0.1::4444"];
    const id = await docker(
      "run",
      "--detach",
      "--rm",
      ...confined,
      ...room,
      ...settings,
      image,
      "serve",
      "--first-run",
    );
    try {
      const port = (await docker("port", id, "4444")).split("\n")[0];
      const health = () => fetch(`http://${port}/ready`).then(({ status }) => status === 200);
      await waitFor(health, 180_000, "readiness of the gateway with an embedded database");
      expect(await docker("exec", id, "node", "/app/cli/mcp-stack.js", "token")).toMatch(/^eyJ/);
    } finally {
      await docker("stop", id);
    }
  });

  it("shows no secret to whoever may look at containers", async () => {
    const secrets = await docker("exec", nameOf("gateway"), "sh", "-c", "cat /run/secrets/mcp-stack/jwt-secret-key");
    const said = await docker("container", "inspect", ...(await stack.onEngine("container")));
    expect(secrets.length).toBe(48);
    expect(said.includes(secrets)).toBe(false);
    expect((await stack.pulumi("stack", "export")).includes(secrets)).toBe(false);
  });

  it("makes a backup, and shows that it can be restored, as often as it is asked", { timeout: UPDATE_MS }, async () => {
    expect(await docker("start", "--attach", nameOf("backup"))).toMatch(/\.dump$/);
    for (const _ of [1, 2])
      expect(await docker("start", "--attach", nameOf("restore-test"))).toMatch(/can be restored: \d+ migrations$/);
  });

  it("rotates the database's passwords: roles and pooler, and nobody else; the data stay, and calls are answered", {
    timeout: UPDATE_MS,
  }, async () => {
    const before = await live();
    await stack.configure(deploymentOf({ database: "2" }));
    await stack.pulumi("up", "--yes", "--skip-preview");
    const after = await live();
    const services = ["postgres", "redis", "nginx", "roles", "migrations", "pgbouncer", "gateway"];
    const replaced = services.filter((name) => before.get(nameOf(name))?.Id !== after.get(nameOf(name))?.Id);
    expect(replaced).toEqual(["roles", "migrations", "pgbouncer"]);
    expect(await call()).toBe(-1);
  });

  it("ends an update with the words of a job that failed, and goes on when the cause is gone", {
    timeout: UPDATE_MS,
  }, async () => {
    const config = deploymentOf({ database: "2" });
    // An image without the gateway in it: the first that notices is the job that changes the schema.
    await stack.configure(config, { gateway: { reference: stack.nodeImage } });
    const failure = await stack.pulumi("up", "--yes", "--skip-preview").then(
      () => "it succeeded",
      (error: unknown) => String(error),
    );
    expect(failure).toContain(`${nameOf("migrations")} ended with 1: `);
    expect(failure).toMatch(
      /Cannot find module '\/app\/cli\/mcp-stack\.js'[\s\S]*pulumi up --replace 'urn:pulumi:.*-migrations'/,
    );
    await stack.configure(config);
    await stack.pulumi("up", "--yes", "--skip-preview");
    expect(await call()).toBe(-1);
  });

  it("leaves nothing on the engine but the image", { timeout: UPDATE_MS }, async () => {
    await stack.pulumi("destroy", "--yes", "--skip-preview");
    for (const kind of ["container", "volume", "network"] as const) expect(await stack.onEngine(kind)).toEqual([]);
  });
});

/** A real Redis with the rendered file says the plan's limits. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Plan } from "../../../contract/plan.ts";
import { renderRedis } from "../../../infra/topology/index.ts";
import { freePort, missing, type Running, titled } from "../../harness/index.ts";
import { planNames, plans } from "../../infra/topology/plans.ts";
import { attempt, descriptorLimit, end, makeSite, type Site, start } from "./running.ts";

const reason = missing("redis-server");
const PASSWORD = "only for this test";
/** What the kernel of the machine is warned about, which no file of Redis can change. */
const OF_THE_HOST = /overcommit_memory|Transparent Huge Pages/;

describe.skipIf(reason !== undefined)(titled("Redis", reason), () => {
  let site: Site;
  let server: Running | undefined;
  let client: Redis | undefined;
  beforeEach(async () => {
    site = await makeSite();
  });
  afterEach(async () => {
    client?.disconnect();
    await end(server);
    server = undefined;
    await site.remove();
  });

  async function serve(plan: Plan, nofile: number): Promise<Redis> {
    const port = await freePort();
    const version = / v=([\d.]+) /.exec(attempt("redis-server", ["--version"], site).text)?.[1] ?? "";
    const hash = createHash("sha256").update(PASSWORD).digest("hex");
    const aclPath = await site.write("users.acl", `user default off\nuser tester on #${hash} ~* &* +@all\n`);
    const listen = { addresses: ["127.0.0.1"], port };
    const file = await site.write("redis.conf", renderRedis(plan, { version, listen, directory: site.path, aclPath }));
    const isUp = (running: Running) => running.stdout().includes("Ready to accept connections");
    server = await start({ program: "redis-server", args: [file], site, nofile, isUp });
    client = new Redis({ host: "127.0.0.1", port, username: "tester", password: PASSWORD, maxRetriesPerRequest: 0 });
    return client;
  }

  async function said(redis: Redis, keys: readonly string[]): Promise<Record<string, unknown>> {
    const answers = await Promise.all(keys.map((key) => redis.config("GET", key)));
    // A list of name and value, or a map since RESP3.
    return Object.assign(
      {},
      ...answers.map((answer) => (Array.isArray(answer) ? Object.fromEntries([answer]) : answer)),
    );
  }

  it.each(planNames)("is what the plan %s says, without a word of warning", async (name) => {
    const plan = plans[name];
    const redis = await serve(plan, plan.redis.nofile);
    const expected = {
      bind: "127.0.0.1",
      "protected-mode": "yes",
      "enable-debug-command": "no",
      "enable-module-command": "no",
      "enable-protected-configs": "no",
      "tcp-backlog": String(plan.redis.tcpBacklog),
      maxclients: String(plan.redis.maxclients),
      timeout: "0",
      "tcp-keepalive": String(plan.timeouts.healthIntervalS),
      maxmemory: String(plan.redis.maxmemoryMiB * 1024 * 1024),
      "maxmemory-policy": plan.redis.policy,
      save: "",
      appendonly: plan.redis.persistence ? "yes" : "no",
      dir: site.path,
    };
    expect(await said(redis, Object.keys(expected))).toEqual(expected);
    expect(descriptorLimit(server?.pid ?? 0)).toBe(plan.redis.nofile);
    const warnings = server
      ?.stdout()
      .split("\n")
      .filter((line) => /warn/i.test(line) && !OF_THE_HOST.test(line));
    expect([warnings, server?.stderr()]).toEqual([[], ""]);
  });

  it("lets nobody in without a name and a password", async () => {
    await serve(plans.dev, plans.dev.redis.nofile);
    const stranger = connect(client?.options.port ?? 0, "127.0.0.1").setEncoding("utf8");
    stranger.write("GET key\r\n");
    const [answer] = await once(stranger, "data");
    stranger.destroy();
    expect(answer).toBe("-NOAUTH Authentication required.\r\n");
  });

  it("takes 32 descriptors for itself: of 1024 are left 992 clients", async () => {
    const plan = { ...plans.dev, redis: { ...plans.dev.redis, maxclients: 10_000 } };
    expect(await said(await serve(plan, 1024), ["maxclients"])).toEqual({ maxclients: "992" });
  });
});

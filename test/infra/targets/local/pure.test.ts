/** What the target decides from data alone: what a change is, who belongs to whom, where requests go. */
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { differenceOf } from "../../../../infra/targets/local/difference.ts";
import { keyOfPort, requireFreePorts } from "../../../../infra/targets/local/ports.ts";
import { belongings, isAlive, readStat, type Stat, statOf } from "../../../../infra/targets/local/proc.ts";
import { serversIn, withoutServer } from "../../../../infra/targets/local/traffic.ts";
import { renderNginx } from "../../../../infra/topology/index.ts";
import { freePort } from "../../../harness/index.ts";
import { nginxPlace } from "../../topology/places.ts";
import { plan, service, topology } from "./workloads.ts";

describe("a difference", () => {
  const file = (text: string) => [{ path: "/d/f", text, isSecret: false, isReread: false }];
  const one = service("/d", "one", "run", { files: file("a"), checksum: "1" });
  const kindOf = (after: typeof one) => differenceOf([one], [after]).changes.map(({ kind }) => kind);

  it.for([
    ["the same", one, "keep"],
    ["another sum and no way to read again", { ...one, checksum: "2", files: file("b") }, "restart"],
    [
      "another sum of files that it can read again",
      { ...one, checksum: "2", files: file("b"), reload: "SIGHUP" },
      "reload",
    ],
    ["another secret in the same file", { ...one, checksum: "2", reload: "SIGHUP" }, "reload"],
    ["another command", { ...one, checksum: "2", command: ["other"], reload: "SIGHUP" }, "restart"],
    ["another environment", { ...one, checksum: "2", environment: { A: "1" }, reload: "SIGHUP" }, "restart"],
    ["another port", { ...one, checksum: "2", ports: [{ name: "a", port: 1 }], reload: "SIGHUP" }, "restart"],
    ["a file that it reads by itself", { ...one, files: file("b") }, "reload"],
  ] as const)("%s", ([, after, kind]) => {
    expect(kindOf(after)).toEqual([kind]);
  });

  it("is in the order of the start, and ends the other way round", () => {
    const [two, three] = [service("/d", "two", ""), service("/d", "three", "")];
    const { changes, gone } = differenceOf([one, two, three], [service("/d", "new", "")]);
    expect(changes.map(({ workload, kind }) => [workload.name, kind])).toEqual([["new", "start"]]);
    expect(gone.map(({ name }) => name)).toEqual(["three", "two", "one"]);
  });
});

describe("processes", () => {
  const stat = (pid: number, parent: number, session: number, startTicks: number): Stat => ({
    pid,
    parent,
    session,
    startTicks,
    state: "S",
  });

  it("a name with blanks and brackets does not shift the fields", () => {
    const text = `7 (a) b (c) S 3 7 5 ${Array.from({ length: 15 }, () => 0).join(" ")} 4242 0`;
    expect(readStat(7, text)).toEqual({ pid: 7, state: "S", parent: 3, session: 5, startTicks: 4242 });
  });

  it("this one is alive; its number with another start is somebody else", () => {
    const me = statOf(process.pid);
    if (me === undefined) throw new Error("this process is not in /proc");
    expect(isAlive(me)).toBe(true);
    expect(isAlive({ ...me, startTicks: me.startTicks - 1 })).toBe(false);
  });

  it("to one belongs its session, and what descends from it in sessions of its own", () => {
    const all = [
      stat(10, 1, 10, 100),
      stat(11, 10, 10, 101),
      stat(12, 1, 10, 102),
      stat(20, 10, 20, 103),
      stat(21, 20, 21, 104),
      stat(30, 1, 30, 105),
    ];
    const found = belongings({ pid: 10, startTicks: 100 }, all).map(({ pid }) => pid);
    expect(found.toSorted()).toEqual([11, 12, 20, 21]);
  });

  it("nothing belongs to a number that somebody else has by now, nothing older than it to one that is gone", () => {
    const all = [stat(10, 1, 10, 900), stat(11, 10, 10, 901)];
    expect(belongings({ pid: 10, startTicks: 100 }, all)).toEqual([]);
    expect(belongings({ pid: 10, startTicks: 950 }, [stat(11, 1, 10, 901)])).toEqual([]);
  });
});

describe("traffic", () => {
  const gateways = [4444, 4445].map((port) => ({ host: "127.0.0.1", port }));
  const text = renderNginx(plan, { ...nginxPlace, gateways });
  const nginx = service("/d", "nginx", "", {
    tier: "nginx",
    files: [{ path: "/d/nginx.conf", text, isSecret: false, isReread: false }],
  });

  it("one server of the rendered file is marked as down, and nothing else is", () => {
    const [before = "", after = ""] = [text, withoutServer(nginx, 4444)?.files[0]?.text];
    const changed = after.split("\n").filter((line, at) => line !== before.split("\n")[at]);
    expect(changed.map((line) => line.trim())).toEqual(["server 127.0.0.1:4444 fail_timeout=5s down;"]);
    expect(serversIn(nginx)).toBe(2);
  });

  it("a port that it does not send to changes nothing", () => {
    expect(withoutServer(nginx, 444)).toBeNull();
  });
});

describe("ports", () => {
  it("every one of them has its key", () => {
    expect(
      (
        [
          ["nginx", "http"],
          ["nginx", "status"],
          ["gateway", "http"],
          ["pgbouncer", "postgres"],
          ["postgres", "postgres"],
          ["redis", "redis"],
        ] as const
      ).map(([tier, port]) => keyOfPort(tier, port)),
    ).toEqual(
      ["nginx", "nginxStatus", "gateway", "pgbouncer", "postgres", "redis"].map(
        (key) => `deployment.local.ports.${key}`,
      ),
    );
  });

  it("all that are held by others are told at once", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const taken = typeof address === "object" ? (address?.port ?? 0) : 0;
    const free = await freePort();
    const { workloads } = topology(
      service("/d", "redis", "", { ports: [{ name: "redis", port: taken }] }),
      service("/d", "nginx", "", {
        tier: "nginx",
        ports: [
          { name: "http", port: free },
          { name: "status", port: taken },
        ],
      }),
    );
    await expect(requireFreePorts(workloads, ["127.0.0.1"])).rejects.toThrow(
      `port ${taken} of redis is in use by another program: change deployment.local.ports.redis\nport ${taken} is wanted by redis (deployment.local.ports.redis) and by nginx (deployment.local.ports.nginxStatus)`,
    );
    await new Promise((resolve) => server.close(resolve));
    await expect(requireFreePorts(workloads.slice(0, 1), ["127.0.0.1"])).resolves.toBeUndefined();
  });
});

/** A stack that changes to the other engine with two workers in each replica, and to TLS between nginx and them: settings, and nothing else. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Certificates, descendants, makeCertificates, send, titled } from "../../harness/index.ts";
import { absent, useLocalStack } from "./stack.ts";

describe.skipIf(absent !== undefined)(titled("a stack of this machine on the bounded engine", absent), () => {
  const stack = useLocalStack();
  let certificates: Certificates;
  beforeAll(async () => {
    certificates = await makeCertificates();
    const gateway = { engine: "bounded", workers: 2, cpu: 2, memory: "1Gi", haFloor: 2, hpa: false };
    const pem = (path: string) => readFileSync(path, "utf8");
    const tls = {
      certificate: pem(certificates.certificate),
      authority: pem(certificates.authority),
      name: "localhost",
    };
    const { code, stderr } = await stack().up({
      sizing: { gateway },
      gateway: { tls },
      environment: { MCP_STACK_SECRET_GATEWAY_TLS_KEY: pem(certificates.key) },
    });
    if (code !== 0) throw new Error(`up: ${code}\n${stderr}`);
  }, 300_000);
  afterAll(async () => {
    await certificates?.remove();
  });

  it("answers through nginx, which checks the gateway's certificate", async () => {
    const { gateway } = stack();
    const answer = await send("GET", `${gateway.url}/version`, gateway.headers);
    expect([answer.status, answer.json().engine]).toEqual([200, "bounded"]);
  });

  it("has two workers in each replica", async () => {
    const { workloads } = await stack().state();
    const gateways = workloads.filter(({ name }) => name.startsWith("gateway-"));
    const workersOf = (pid: number) =>
      descendants(pid).filter((one) => readFileSync(`/proc/${one}/cmdline`, "latin1").includes("gateway/worker.ts"));
    expect(gateways.map(({ identity }) => workersOf(identity?.pid ?? 0).length)).toEqual([2, 2]);
  });

  it("is as planned, by its own account", async () => {
    const { code, stdout } = await stack().command("verify");
    expect({ code, wrong: stdout.split("\n").filter((line) => line.startsWith("WRONG")) }).toEqual({
      code: 0,
      wrong: [],
    });
  });
});

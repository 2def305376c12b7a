/** The scripts for hey and k6, run with stand-ins of those programs: what they would send, and what they refuse. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const directory = mkdtempSync(join(tmpdir(), "load-scripts-"));
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** A program that writes down its arguments, one line of JSON per run, and prints `output`. */
function standIn(name: string, output: string): void {
  const file = join(directory, name);
  writeFileSync(
    file,
    `#!${process.execPath}\nrequire("node:fs").appendFileSync(process.env.CALLS, JSON.stringify(["${name}", ...process.argv.slice(2)]) + "\\n");\nprocess.stdout.write(${JSON.stringify(output)});\n`,
  );
  chmodSync(file, 0o755);
}

standIn("hey", "");
standIn("curl", "HTTP/1.1 200 OK\r\nMcp-Session-Id: s-1\r\n\r\n");

function hey(profile: string, env: Readonly<Record<string, string>> = {}) {
  const calls = join(directory, "calls");
  rmSync(calls, { force: true });
  const { status, stdout, stderr } = spawnSync("bash", [join(import.meta.dirname, "hey.sh"), profile], {
    env: { PATH: `${directory}:${process.env.PATH}`, TMPDIR: directory, CALLS: calls, MCP_STACK_TOKEN: "t", ...env },
    encoding: "utf8",
  });
  const lines = status === 0 ? readFileSync(calls, "utf8").trim().split("\n") : [];
  return { status, stdout, stderr, calls: lines.map((line): string[] => JSON.parse(line)) };
}

/** Options that stand before headers, the headers, the body, the URL. */
function heyCall(args: readonly string[]) {
  const after = (name: string) => args.filter((_, index) => args[index - 1] === name);
  return {
    connections: after("-c")[0],
    time: after("-z")[0],
    rate: after("-q")[0],
    headers: after("-H"),
    body: JSON.parse(after("-d")[0] ?? "null"),
    url: args.at(-1),
  };
}

const COMMON = ["Accept: application/json, text/event-stream", "Authorization: Bearer t"];
const LEGACY = [...COMMON, "Mcp-Session-Id: s-1", "MCP-Protocol-Version: 2025-11-25"];
const URL_DEFAULT = "http://127.0.0.1:4444/mcp";

describe("hey.sh", () => {
  it("opens a session, calls the tool over two connections, ends the session", () => {
    const { status, stderr, calls } = hey("smoke");
    expect([status, stderr, calls.map(([program]) => program)]).toEqual([0, "", ["curl", "curl", "hey", "curl"]]);
    expect(heyCall(calls[2] ?? [])).toEqual({
      connections: "2",
      time: "10s",
      rate: undefined,
      headers: LEGACY,
      body: {
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "time__echo", arguments: { message: "load" } },
      },
      url: URL_DEFAULT,
    });
    expect(calls[3]).toEqual([
      "curl",
      "-sS",
      "-o",
      "/dev/null",
      "-X",
      "DELETE",
      ...LEGACY.flatMap((header) => ["-H", header]),
      URL_DEFAULT,
    ]);
  });

  it("doubles the connections", () => {
    const calls = hey("step", { DURATION: "14" })
      .calls.filter(([program]) => program === "hey")
      .map(heyCall);
    expect(calls.map(({ connections, time }) => [connections, time])).toEqual(
      ["1", "2", "4", "8", "16", "32", "64"].map((count) => [count, "2s"]),
    );
  });

  it("spikes to ten times the rate, a fifth of it tools/list, in the modern era", () => {
    const { calls } = hey("spike", { ERA: "modern", RPS: "50", DURATION: "6", TOOL: "a__b", ARGUMENTS: '{"x":1}' });
    const asked = calls.map(heyCall);
    const clientInfo = { "io.modelcontextprotocol/clientInfo": { name: "hey", version: "1" } };
    const of = (method: string) => asked.filter(({ body }) => body.method === method);
    const rates = (method: string) =>
      of(method).map(({ connections, rate, time }) => [Number(connections) * Number(rate), time]);
    expect(rates("tools/call")).toEqual([
      [40, "2s"],
      [400, "2s"],
      [40, "2s"],
    ]);
    expect(rates("tools/list")).toEqual([
      [10, "2s"],
      [100, "2s"],
      [10, "2s"],
    ]);
    expect(of("tools/call")[0]).toMatchObject({
      headers: [...COMMON, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: a__b"],
      body: { jsonrpc: "2.0", id: 1, params: { name: "a__b", arguments: { x: 1 }, _meta: { ...META, ...clientInfo } } },
    });
    expect(of("tools/list")[0]).toMatchObject({
      headers: [...COMMON, "MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/list"],
      body: { jsonrpc: "2.0", id: 1, params: { _meta: { ...META, ...clientInfo } } },
    });
  });

  it.each([
    ["fast", {}, 'the profile is "fast", it has to be one of smoke, step, soak, spike'],
    ["smoke", { URL: "gateway" }, 'URL is "gateway", it has to be an http or https URL'],
    [
      "smoke",
      { URL: "http://127.0.0.1.example.com/mcp" },
      "127.0.0.1.example.com is not loopback: a load test of another host is for its owner, who sets I_OWN_THIS_HOST=127.0.0.1.example.com",
    ],
    ["smoke", { DURATION: "3601" }, 'DURATION is "3601", it has to be whole seconds from 1 to 3600'],
    ["soak", { RPS: "0" }, 'RPS is "0", it has to be a whole number from 1 to 999999'],
    ["smoke", { ERA: "old" }, 'ERA is "old", it has to be legacy or modern'],
    ["step", { DURATION: "6" }, 'DURATION is "6", the seven steps need 7 seconds at least'],
  ])("%s %j is refused", (profile, env, why) => {
    expect(hey(profile, env)).toMatchObject({ status: 2, stderr: `hey.sh: ${why}\n`, calls: [] });
  });

  it("takes another host from its owner", () => {
    const env = { URL: "https://gw.example.com/mcp", I_OWN_THIS_HOST: "gw.example.com", ERA: "modern" };
    expect(hey("smoke", env).calls.map((call) => call.at(-1))).toEqual(["https://gw.example.com/mcp"]);
  });
});

type Sent = {
  method: string;
  url: string;
  headers: Record<string, string>;
  redirects?: number;
  message?: { id: number; method: string; params: object };
};
type Script = { options: { scenarios: Record<string, object> }; requests: Sent[]; checks: boolean[] };

function k6(env: Readonly<Record<string, string>>, times = 1): Script & { stderr: string } {
  const args = [join(import.meta.dirname, "k6-stand-in.js"), JSON.stringify(env), String(times)];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env: { PATH: process.env.PATH } });
  return { ...(stdout === "" ? { options: { scenarios: {} }, requests: [], checks: [] } : JSON.parse(stdout)), stderr };
}

describe("mcp.k6.js", () => {
  it("opens sessions, asks in them, ends them", () => {
    const { requests, checks } = k6({ TOKEN: "t", SESSIONS: "2", LIST_SHARE: "0" }, 3);
    expect(requests.map(({ method, message }) => message?.method ?? method)).toEqual([
      "initialize",
      "notifications/initialized",
      "initialize",
      "notifications/initialized",
      "tools/call",
      "tools/call",
      "tools/call",
      "DELETE",
      "DELETE",
    ]);
    expect(requests[4]).toEqual({
      method: "POST",
      url: URL_DEFAULT,
      redirects: 0,
      headers: {
        "Content-Type": "application/json",
        Accept: "application/json, text/event-stream",
        Authorization: "Bearer t",
        "Mcp-Session-Id": expect.stringMatching(/^session-[13]$/),
        "MCP-Protocol-Version": "2025-11-25",
      },
      message: {
        jsonrpc: "2.0",
        id: expect.any(Number),
        method: "tools/call",
        params: { name: "time__echo", arguments: { message: "load" } },
      },
    });
    expect(requests.slice(-2).map(({ headers }) => headers["Mcp-Session-Id"])).toEqual(["session-1", "session-3"]);
    expect(checks).toEqual([true, true, true]);
  });

  it("asks in the modern era without a session", () => {
    const { requests } = k6({ ERA: "modern", LIST_SHARE: "1" });
    const clientInfo = { "io.modelcontextprotocol/clientInfo": { name: "k6", version: "1" } };
    expect(
      requests.map(({ headers, message }) => [
        headers["Mcp-Session-Id"],
        headers["Mcp-Method"],
        headers["Mcp-Name"],
        message?.params,
      ]),
    ).toEqual([[undefined, "tools/list", undefined, { _meta: { ...META, ...clientInfo } }]]);
  });

  it.each([
    ["smoke", {}, [["smoke", "constant-vus", 2, "10s", "0s"]]],
    ["step", {}, [1, 2, 4, 8, 16, 32, 64].map((vus, at) => [`step_${vus}`, "constant-vus", vus, "5s", `${at * 5}s`])],
    ["soak", { RPS: "7", DURATION: "60" }, [["soak", "constant-arrival-rate", 7, "60s", "0s"]]],
    [
      "spike",
      { RPS: "7" },
      [
        ["base", "constant-arrival-rate", 7, "10s", "0s"],
        ["spike", "constant-arrival-rate", 70, "10s", "10s"],
        ["after", "constant-arrival-rate", 7, "10s", "20s"],
      ],
    ],
  ])("%s is the profile of mcp-stack load", (profile, env, scenarios) => {
    const { options } = k6({ PROFILE: profile, ERA: "modern", ...env });
    const flat = Object.entries(options.scenarios).map(([name, scenario]) => {
      const { executor, vus, rate, duration, startTime } = {
        vus: undefined,
        rate: undefined,
        executor: "",
        duration: "",
        startTime: "",
        ...scenario,
      };
      return [name, executor, vus ?? rate, duration, startTime];
    });
    expect(flat).toEqual(scenarios);
  });

  it("refuses a host that is not loopback, and more than an hour", () => {
    expect(k6({ URL: "http://example.com/mcp" }).stderr).toContain(
      "example.com is not loopback: a load test of another host is for its owner, who adds -e I_OWN_THIS_HOST=example.com",
    );
    expect(k6({ DURATION: "3601" }).stderr).toContain("PROFILE smoke, DURATION 3601: at most 3600 seconds");
    expect(k6({ URL: "http://example.com/mcp", I_OWN_THIS_HOST: "example.com", ERA: "modern" }).requests).toHaveLength(
      1,
    );
  });
});

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readOptions, UsageError } from "../../../cli/command.ts";
import { isLoopback } from "../../../cli/load/hosts.ts";
import { options, readGiven } from "../../../cli/load/options.ts";
import { readToken } from "../../../cli/load/token.ts";

const given = (...argv: string[]) => readGiven(readOptions(argv, options));

function problems(...argv: string[]): string {
  try {
    given(...argv);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error("nothing was wrong");
}

describe("options of mcp-stack load", () => {
  it("have defaults", () => {
    expect(given()).toEqual({
      url: new URL("http://127.0.0.1:4444/mcp"),
      profile: "smoke",
      era: "legacy",
      mix: new Map([["tools/call", 1]]),
      wanted: {},
      seconds: 10,
      timeoutMs: 30_000,
      pids: [],
      seed: 1,
    });
  });

  it("are all read", () => {
    expect(
      given(
        ..."--url https://gw.example.com:8443/servers/a/mcp --i-own-this-host gw.example.com --profile spike --era mixed".split(
          " ",
        ),
        ..."--mix tools/call=.75,tools/list=0.25 --tool time__echo --rps 12.5 --duration 1.5m --sessions 300".split(
          " ",
        ),
        ...["--arguments", '{"message":"a b"}', "--timeout", "500ms", "--pid", "12, 13", "--seed", "0"],
      ),
    ).toEqual({
      url: new URL("https://gw.example.com:8443/servers/a/mcp"),
      profile: "spike",
      era: "mixed",
      mix: new Map([
        ["tools/call", 0.75],
        ["tools/list", 0.25],
      ]),
      wanted: { name: "time__echo", arguments: { message: "a b" } },
      rps: 12.5,
      sessions: 300,
      seconds: 90,
      timeoutMs: 500,
      pids: [12, 13],
      seed: 0,
    });
  });

  it.each([
    [["--profile", "fast"], '--profile is "fast", it has to be one of smoke, step, soak, spike'],
    [["--era", "2025-11-25"], '--era is "2025-11-25", it has to be one of legacy, modern, mixed'],
    [["--duration", "2h"], '--duration is "2h", it has to be a time above 0 and up to 1h, as 90, 90s, 5m, 500ms'],
    [["--duration", "0"], '--duration is "0", it has to be a time above 0 and up to 1h, as 90, 90s, 5m, 500ms'],
    [["--duration", "1 day"], '--duration is "1 day", it has to be a time above 0 and up to 1h, as 90, 90s, 5m, 500ms'],
    [["--timeout", "3601"], '--timeout is "3601", it has to be a time above 0 and up to 1h, as 90, 90s, 5m, 500ms'],
    [["--rps", "0"], '--rps is "0", it has to be a number from 0.1 to 100000'],
    [["--rps", "1e3"], '--rps is "1e3", it has to be a number from 0.1 to 100000'],
    [["--rps", "Infinity"], '--rps is "Infinity", it has to be a number from 0.1 to 100000'],
    [["--connections", "2.5"], '--connections is "2.5", it has to be a whole number from 1 to 2048'],
    [["--connections", "-1"], '--connections is "-1", it has to be a whole number from 1 to 2048'],
    [["--sessions", "0"], '--sessions is "0", it has to be a whole number from 1 to 100000'],
    [["--seed", "x"], '--seed is "x", it has to be a whole number from 0 to 4294967295'],
    [["--pid", "1,0"], '--pid is "1,0", it has to be process ids, as 4711 or 4711,4712'],
    [["--arguments", "[1]"], '--arguments is "[1]", it has to be a JSON object'],
    [["--arguments", "{"], '--arguments is "{", it has to be a JSON object'],
    [["--tool", "a b"], '--tool is "a b", it has to be 1 to 200 printable ASCII characters'],
    [
      ["--mix", "tools/cal=1"],
      '--mix is "tools/cal=1", it has to be made of tools/call, tools/list, prompts/list, resources/list, resources/templates/list; the nearest to "tools/cal" is tools/call',
    ],
    [
      ["--mix", "tools/call=0.5,tools/list=0.4"],
      '--mix is "tools/call=0.5,tools/list=0.4", it has to be shares that are 1 together, these are 0.9',
    ],
    [["--mix", "tools/call=2"], '--mix is "tools/call=2", it has to be shares from 0 to 1, as tools/call=0.5'],
    [["--mix", "tools/call"], '--mix is "tools/call", it has to be shares from 0 to 1, as tools/call=0.5'],
    [
      ["--mix", "tools/call=.5,tools/call=.5"],
      '--mix is "tools/call=.5,tools/call=.5", it has to be without tools/call twice',
    ],
    [["--mix", "tools/list=1", "--tool", "a"], "--tool needs tools/call in --mix"],
    [["--url", "gateway:4444"], '--url is "gateway:4444", it has to be an http or https URL'],
    [["--url", "/mcp"], '--url is "/mcp", it has to be an http or https URL'],
    [
      ["--url", "http://me:secret@127.0.0.1/"],
      "--url must not carry a user name or a password: it is printed. --token-file is for the token",
    ],
    [
      ["--rps", "5", "--connections", "5"],
      "--rps and --connections exclude each other: arrivals at a rate, or so many connections",
    ],
    [["--token", "a", "--token-file", "b"], "--token and --token-file exclude each other: there is one token"],
    [
      ["--serve", "--url", "http://127.0.0.1/"],
      "--serve and --url exclude each other: a gateway of its own brings its own",
    ],
    [["--serve", "--pid", "7"], "--serve and --pid exclude each other: a gateway of its own brings its own"],
    [["--profile", "soak"], "--profile soak needs --rps <rate>: the rate that it holds"],
    [["--profile", "spike"], "--profile spike needs --rps <rate>: the rate of which the spike is ten times"],
    [["--era", "modern", "--sessions", "5"], "--sessions needs --era legacy or mixed: the modern era has no sessions"],
  ])("%j: %s", (argv, sentence) => {
    expect(problems(...argv)).toBe(sentence);
  });

  it("are told all at once", () => {
    expect(problems("--profile", "soak", "--duration", "2h", "--url", "http://example.com/mcp")).toBe(
      [
        '--duration is "2h", it has to be a time above 0 and up to 1h, as 90, 90s, 5m, 500ms',
        "  example.com is not loopback: a load test of another host is for its owner, who adds --i-own-this-host example.com",
        "  --profile soak needs --rps <rate>: the rate that it holds",
      ].join("\n"),
    );
  });
});

describe("whose host it is", () => {
  it.each(["localhost", "127.0.0.1", "127.8.9.1", "[::1]", "[0:0::0:1]", "127.1", "0x7f000001", "LOCALHOST"])(
    "%s is this machine",
    (host) => {
      expect(isLoopback(new URL(`http://${host}/`).hostname)).toBe(true);
      expect(given("--url", `http://${host}/mcp`).url.pathname).toBe("/mcp");
    },
  );

  it.each(["10.0.0.1", "0.0.0.0", "127.0.0.1.example.com", "localhost.example.com", "[::2]", "[::ffff:10.0.0.1]"])(
    "%s is not",
    (host) => {
      const { hostname } = new URL(`http://${host}/`);
      expect(isLoopback(hostname)).toBe(false);
      expect(problems("--url", `http://${host}/mcp`)).toBe(
        `${hostname} is not loopback: a load test of another host is for its owner, who adds --i-own-this-host ${hostname}`,
      );
      expect(given("--url", `http://${host}/mcp`, "--i-own-this-host", hostname).url.hostname).toBe(hostname);
    },
  );

  it.each([
    "example.org",
    "Gateway.example.com",
    "https://gateway.example.com",
    "*.example.com",
    "gateway.example.com:80",
  ])("%s does not name gateway.example.com exactly", (owned) => {
    expect(problems("--url", "http://gateway.example.com/mcp", "--i-own-this-host", owned)).toBe(
      `--i-own-this-host is ${JSON.stringify(owned)}, --url names the host "gateway.example.com"`,
    );
  });
});

describe("the token", () => {
  const none = { token: undefined, file: undefined, environment: undefined };
  const directory = mkdtempSync(join(tmpdir(), "load-token-"));
  const file = join(directory, "token");
  writeFileSync(file, "from-file\n");

  it("comes from the option, the file or the environment, in this order", async () => {
    expect(await readToken({ token: "a", file: undefined, environment: "c" })).toBe("a");
    expect(await readToken({ token: undefined, file, environment: "c" })).toBe("from-file");
    expect(await readToken({ ...none, environment: "c" })).toBe("c");
    expect(await readToken({ ...none, environment: "" })).toBeUndefined();
    expect(await readToken(none)).toBeUndefined();
  });

  it("is not shown where it is wrong", async () => {
    const allowed = "holds no token: it has to be printable ASCII without blanks, and not empty";
    await expect(readToken({ ...none, token: "se cret" })).rejects.toThrow(new UsageError(`--token ${allowed}`));
    await expect(readToken({ ...none, environment: "a\r\nb: c" })).rejects.toThrow(
      new UsageError(`MCP_STACK_TOKEN ${allowed}`),
    );
    await expect(readToken({ ...none, file: join(directory, "gone") })).rejects.toThrow(
      new UsageError(
        `--token-file cannot be read: ENOENT: no such file or directory, open '${join(directory, "gone")}'`,
      ),
    );
  });
});

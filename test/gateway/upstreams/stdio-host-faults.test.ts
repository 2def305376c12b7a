/** What the stdio host does with children that break every rule. */
import { describe, expect, test, vi } from "vitest";
import { inheritedEnvironment } from "../../../gateway/upstreams/stdio-host/index.ts";
import { bad, define, lines, start } from "./fixtures/running-host.ts";
import { contentOf, isAlive } from "./fixtures/stdio-client.ts";

describe("children that misbehave", () => {
  test("one that dies in a call is named with its exit code and last words, without secrets", async () => {
    const client = await start();
    await define(client, "bad", [bad], { name: "crashy", env: { API_KEY: "sk-very-secret" } });
    const session = await client.session("bad");
    const answer = await client.call("bad", session, 4, "die");
    expect(answer.messages).toEqual([
      {
        jsonrpc: "2.0",
        id: 4,
        error: {
          code: -32012,
          message:
            "Upstream crashy cannot be reached: it ended with exit code 3; its last stderr line: dying with [API_KEY]",
          data: { reason: "it ended with exit code 3; its last stderr line: dying with [API_KEY]" },
        },
      },
    ]);
    expect((await client.call("bad", session, 5, "pid")).status).toBe(404);
    expect(JSON.stringify(lines)).not.toContain("sk-very-secret");
    expect((await client.call("bad", await client.session("bad"), 1, "pid")).status).toBe(200);
  });

  test("garbage on stdout is logged and skipped", async () => {
    const client = await start();
    await define(client, "bad", [bad]);
    const answer = await client.call("bad", await client.session("bad"), 1, "garbage");
    expect(contentOf(answer)).toBe("survived");
    expect(lines.filter((line) => line.event === "stdio.garbage")).toHaveLength(3);
  });

  test("one that does not read costs a bounded number of bytes", async () => {
    const client = await start();
    await define(client, "bad", [bad]);
    const session = await client.session("bad");
    await client.call("bad", session, 1, "deaf");
    const gone = new AbortController();
    const big = { name: "never", arguments: { text: "x".repeat(150_000) } };
    const statuses: number[] = [];
    for (let id = 2; id < 8; id++) {
      const message = { jsonrpc: "2.0", id, method: "tools/call", params: big };
      const call = client.send("POST", "/bad/mcp", session, message, gone.signal);
      // Taken calls are never answered; the status page tells that they were taken.
      const taken = vi.waitFor(async () => {
        expect((await client.send("GET", "/status")).text).toContain(`"waiting":${id - 1 - statuses.length}`);
      }, 60_000);
      const refused = await Promise.race([call.then((answer) => answer.status), taken.then(() => undefined)]);
      if (refused !== undefined) statuses.push(refused);
      call.catch(() => {});
      taken.catch(() => {});
    }
    gone.abort();
    expect(statuses.length).toBeGreaterThan(0);
    expect(new Set(statuses)).toEqual(new Set([503]));
  });

  test("a flood on stderr is bounded in lines and in their length", async () => {
    const client = await start();
    await define(client, "bad", [bad]);
    expect(contentOf(await client.call("bad", await client.session("bad"), 1, "flood"))).toBe("flooded");
    await client.send("DELETE", "/definitions/bad");
    await vi.waitFor(() => expect(lines.some((line) => line.event === "stdio.stderr_suppressed")).toBe(true), 60_000);
    const logged = lines.filter((line) => line.event === "stdio.stderr");
    expect(logged.length).toBeLessThanOrEqual(500);
    expect(Math.max(...logged.map((line) => String(line.fields.line).length))).toBeLessThanOrEqual(4096);
  });

  test("an endless message ends the child with the limit's name", async () => {
    const client = await start();
    await define(client, "bad", [bad]);
    const answer = await client.call("bad", await client.session("bad"), 1, "huge");
    expect(answer.text).toContain("it sent a message of more than 200000 bytes (UPSTREAM_MAX_MESSAGE_BYTES)");
  });

  test("one that ignores the end of stdin and SIGTERM is killed, with what it started", async () => {
    const client = await start();
    await define(client, "bad", [bad, "--stubborn"]);
    const session = await client.session("bad");
    const pid = Number(contentOf(await client.call("bad", session, 1, "pid")));
    const offspring = Number(contentOf(await client.call("bad", session, 2, "offspring")));
    expect([isAlive(pid), isAlive(offspring)]).toEqual([true, true]);
    await client.send("DELETE", "/bad/mcp", session);
    await vi.waitFor(() => expect([isAlive(pid), isAlive(offspring)]).toEqual([false, false]), 60_000);
  });

  test("one that cannot start, and one that dies at once, say why; too many failures are refused with Retry-After", async () => {
    const client = await start();
    await define(client, "none", [], { command: "/nonexistent/server" });
    const initialize = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25" } };
    const none = await client.send("POST", "/none/mcp", {}, initialize);
    expect([none.status, none.text.includes("ENOENT"), none.headers["mcp-session-id"]]).toEqual([503, true, undefined]);
    await define(client, "lost", [bad], { cwd: "/nonexistent" });
    const lost = await client.send("POST", "/lost/mcp", {}, initialize);
    expect(JSON.parse(lost.text).error.message).toBe(
      "Upstream lost cannot start: its working directory /nonexistent does not exist",
    );
    await define(client, "dead", [bad, "--die-at-start"]);
    const dead = await client.send("POST", "/dead/mcp", {}, initialize);
    expect(dead.status).toBe(502);
    expect(dead.text).toContain("exit code 5; its last stderr line: cannot open the license file");
    let refused = dead;
    for (let tries = 0; tries < 8 && refused.status !== 503; tries++) {
      refused = await client.send("POST", "/dead/mcp", {}, initialize);
    }
    expect(refused.status).toBe(503);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(1);
  });

  test("the limit on children is named", async () => {
    const client = await start({ maxChildren: 1 });
    await define(client, "bad", [bad]);
    await client.session("bad");
    const initialize = { jsonrpc: "2.0", id: 1, method: "initialize", params: {} };
    const refused = await client.send("POST", "/bad/mcp", {}, initialize);
    expect([refused.status, refused.messages]).toEqual([
      503,
      [
        {
          jsonrpc: "2.0",
          id: 1,
          error: {
            code: -32017,
            message: "Upstream bad cannot start: 1 stdio children run already, which is the limit (STDIO_MAX_CHILDREN)",
            data: { reason: "1 stdio children run already, which is the limit (STDIO_MAX_CHILDREN)" },
          },
        },
      ],
    ]);
  });

  test("children see the allow-list and their own variables, nothing else of ours", async () => {
    const baseEnv = inheritedEnvironment({
      PATH: "/bin",
      JWT_SECRET_KEY: "ours",
      DATABASE_URL: "ours",
      LANG: undefined,
    });
    expect(baseEnv).toEqual({ PATH: "/bin" });
    const client = await start({ baseEnv });
    await define(client, "bad", [bad], { env: { API_KEY: "theirs" } });
    const names = contentOf(await client.call("bad", await client.session("bad"), 1, "environment"));
    expect(names).toEqual(["API_KEY", "PATH"]);
  });
});

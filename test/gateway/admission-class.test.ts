/** Which lane a request belongs to, and which may end calls. */
import { describe, expect, it } from "vitest";
import type { RequestHead } from "../../contract/http.ts";
import { matchRoute } from "../../contract/routes.ts";
import { admissionClassOf, mayEndCalls } from "../../gateway/admission-class.ts";

function judged(method: string, path: string, headers: Readonly<Record<string, string>> = {}) {
  const found = matchRoute(method, path);
  if (found.kind !== "route") throw new Error(`${method} ${path}`);
  const head: RequestHead = { method, path, query: "", headers, remoteAddress: "192.0.2.1" };
  return [admissionClassOf(found.route, head), mayEndCalls(found.route, head)];
}

const modern = (method: string) => ({ "mcp-protocol-version": "2026-07-28", "mcp-method": method });
const session = { "mcp-session-id": "s" };

describe("the lane of a request", () => {
  it.each([
    ["GET", "/health", {}, "probe", false],
    ["GET", "/ready", {}, "probe", false],
    ["GET", "/metrics", {}, "probe", false],
    ["GET", "/tools", {}, "list", false],
    ["POST", "/gateways", {}, "control", false],
    ["POST", "/mcp", {}, "call", false],
    ["POST", "/mcp", session, "call", true],
    ["GET", "/mcp", session, "control", false],
    ["DELETE", "/servers/one/mcp", session, "control", false],
    ["GET", "/sse", {}, "control", false],
    ["GET", "/ws", {}, "control", false],
    ["POST", "/message", {}, "call", true],
    ["POST", "/servers/one/message", {}, "call", true],
    ["POST", "/rpc", {}, "call", false],
    ["POST", "/mcp", modern("tools/call"), "call", false],
    ["POST", "/gateways/one/mcp", modern("tools/list"), "list", false],
    ["POST", "/mcp", modern("resources/templates/list"), "list", false],
    ["POST", "/mcp", modern("subscriptions/listen"), "control", false],
    ["POST", "/mcp", modern("server/discover"), "control", false],
    ["POST", "/mcp", modern("notifications/cancelled"), "control", false],
  ])("%s %s %o: %s", (method, path, headers, kind, ends) => {
    expect(judged(method, path, headers)).toEqual([kind, ends]);
  });

  it("believes a method in a header only where the body has to agree with it", () => {
    expect(judged("POST", "/mcp", { "mcp-method": "server/discover" })).toEqual(["call", false]);
    expect(judged("POST", "/mcp", { ...modern("ping"), "mcp-protocol-version": "2025-11-25" })).toEqual([
      "call",
      false,
    ]);
    expect(judged("POST", "/rpc", modern("server/discover"))).toEqual(["call", false]);
  });
});

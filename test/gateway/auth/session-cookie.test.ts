/** The cookie of a session: where it is kept, and that taking it away names the same place. */
import { describe, expect, it } from "vitest";
import { clearCookie, cookiePlace, ridesOnCookie, SESSION_COOKIE, setCookie } from "../../../gateway/auth/index.ts";

describe("the cookie of a session", () => {
  it.each([
    ["https://gw.example.com", "Path=/", "; Secure"],
    ["https://gw.example.com/mcp-gateway", "Path=/mcp-gateway", "; Secure"],
    ["http://127.0.0.1:4444", "Path=/", ""],
  ])("at %s is set and cleared under the same name, path and attributes", (base, path, secure) => {
    const place = cookiePlace(base);
    const rest = `HttpOnly; SameSite=Lax${secure}`;
    expect(setCookie(SESSION_COOKIE, "t", 60, place)).toBe(`jwt_token=t; ${path}; Max-Age=60; ${rest}`);
    expect(clearCookie(SESSION_COOKIE, place)).toBe(`jwt_token=; ${path}; Max-Age=0; ${rest}`);
  });

  it.each([
    [{ cookie: "jwt_token=t" }, true],
    [{ cookie: "jwt_token=t", authorization: "Bearer x" }, false],
    [{ cookie: "other=t" }, false],
    [{ cookie: "jwt_token=t; jwt_token=u" }, false],
    [{}, false],
  ])("%j rides on it: %s", (headers, rides) => {
    expect(ridesOnCookie({ method: "POST", path: "/", query: "", headers, remoteAddress: "" })).toBe(rides);
  });
});

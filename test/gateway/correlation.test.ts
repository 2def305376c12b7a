/** What joins the records of a request, and how its path is shown in them. */
import { describe, expect, it } from "vitest";
import { matchRoute } from "../../contract/routes.ts";
import { shownPath } from "../../gateway/shown-path.ts";
import { correlationOf, knownCorrelation } from "../../gateway/telemetry/index.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`;
const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

describe("the correlation of a request", () => {
  it.each([
    [{ "x-correlation-id": "order:7.a-B_c" }, "order:7.a-B_c"],
    [{ "x-correlation-id": "order-7", traceparent }, "order-7"],
    [{ traceparent }, TRACE],
    [{ "x-correlation-id": "two words", traceparent }, TRACE],
    [{ "x-correlation-id": "sk-live0123456789abcdef" }, "***"],
  ])("is of %j %s", (headers, id) => {
    expect([correlationOf({ headers }), knownCorrelation({ headers })]).toEqual([id, id]);
  });

  it.each([
    [{}],
    [{ "x-correlation-id": "" }],
    [{ "x-correlation-id": "x".repeat(101) }],
    [{ "x-correlation-id": 'a"\n' }],
    [{ traceparent: "00-short-00f067aa0ba902b7-01" }],
  ])("is made once for a request that says %j", (headers) => {
    const head = { headers };
    expect(knownCorrelation(head)).toBe("");
    const id = correlationOf(head);
    expect(id).toMatch(UUID);
    expect([correlationOf(head), knownCorrelation(head)]).toEqual([id, id]);
    expect(correlationOf({ headers })).not.toBe(id);
  });
});

describe("the path in a log", () => {
  const shown = (method: string, path: string) => {
    const found = matchRoute(method, path);
    return shownPath(found.kind === "route" ? found.route : undefined, path);
  };
  it.each([
    ["POST", "/teams/invitations/s3cr3t/accept", "/teams/invitations/{token}/accept"],
    ["POST", "/v1/teams/invitations/s3cr3t/accept/", "/v1/teams/invitations/{token}/accept"],
    // No route, or not by this method: what follows may be a secret all the same.
    ["GET", "/teams/invitations/s3cr3t/accept", "/teams/invitations/{token}"],
    ["POST", "/teams/invitations/s3cr3t", "/teams/invitations/{token}"],
    ["POST", "/v1/Teams//%69nvitations/s3cr3t/acept", "/v1/teams/invitations/{token}"],
    // By its id an invitation is cancelled; that opens nothing.
    ["DELETE", "/teams/invitations/17", "/teams/invitations/17"],
    ["GET", "/tools/a%20b", "/tools/a%20b"],
    ["GET", "/%E0%A4%A", "/%E0%A4%A"],
    ["GET", `/${"a".repeat(400)}`, `/${"a".repeat(299)}…`],
    ["GET", "/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "/***"],
  ])("of %s %s is %s", (method, path, expected) => {
    expect(shown(method, path)).toBe(expected);
  });
});

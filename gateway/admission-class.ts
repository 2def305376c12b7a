/** Which lane a request belongs to, as far as its head tells. Part of the composition root. */
import type { RequestHead } from "../contract/http.ts";
import type { Route } from "../contract/routes.ts";
import type { AdmissionClass } from "./admission/index.ts";
import { isModernVersion } from "./mcp/index.ts";

/**
 * GET opens a stream, which takes its place among the streams once identity is known, and DELETE ends a session: control, so that neither
 * needs a slot of a call. Of POSTs the head of a modern request names the method, and the body has to agree (MCP 2026-07-28 transports).
 */
export function admissionClassOf(route: Route, head: RequestHead): AdmissionClass {
  if (route.area !== "mcp") return route.class;
  if (route.class === "stream" || head.method !== "POST") return "control";
  const method = head.headers["mcp-method"];
  if (
    method === undefined ||
    !route.id.endsWith("mcp") ||
    !isModernVersion(head.headers["mcp-protocol-version"]?.trim())
  )
    return "call";
  if (method.endsWith("/list")) return "list";
  return method === "subscriptions/listen" || method === "server/discover" || method.startsWith("notifications/")
    ? "control"
    : "call";
}

/**
 * Answers to questions and cancellations come where calls come, and only the body tells them apart. They belong to a legacy session:
 * a modern client answers with a request and cancels by closing its stream.
 */
export function mayEndCalls(route: Route, { method, headers }: RequestHead): boolean {
  if (route.area !== "mcp" || method !== "POST") return false;
  return headers["mcp-session-id"] !== undefined || route.id.endsWith("message");
}

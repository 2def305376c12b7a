/**
 * HTTP towards authorization servers: addresses that users set, or that what they set has named, so every connection is guarded. Redirects
 * are not followed, and what is answered is bounded.
 */
import type { CustomFetch } from "openid-client";
import type { Response } from "undici";
import type { AddressGuard, Trust } from "../guard/index.ts";
import { undici } from "../undici.ts";

const MAX_ANSWER_BYTES = 1024 * 1024;
const KEEP_ALIVE_MS = 4000;

export type EndpointFetch = {
  /** For openid-client. */
  readonly custom: CustomFetch;
  /** A GET whose answer is JSON; undefined for any other answer. Rejects when none comes. */
  json(url: URL): Promise<unknown>;
  /** Status and one header of a GET; the body is dropped. */
  challenge(url: URL): Promise<{ readonly status: number; readonly authenticate: string }>;
  close(): Promise<void>;
};

export function endpointFetch(guard: AddressGuard | undefined, trust: Trust, timeoutMs: number): EndpointFetch {
  const connect = guard?.connector(trust, { timeout: timeoutMs, allowH2: false });
  const dispatcher = new (undici().Agent)({
    ...(connect === undefined ? {} : { connect }),
    maxResponseSize: MAX_ANSWER_BYTES,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
  const get = (url: URL, accept: string): Promise<Response> =>
    undici().fetch(url, {
      dispatcher,
      redirect: "manual",
      headers: { accept },
      signal: AbortSignal.timeout(timeoutMs),
    });
  return {
    async custom(url, { body, headers, method, signal }) {
      const response = await undici().fetch(url, {
        dispatcher,
        redirect: "manual",
        method,
        headers,
        signal: signal ?? AbortSignal.timeout(timeoutMs),
        ...(body === null || body === undefined ? {} : { body: bytesOf(body) }),
      });
      // A Response of the platform, which openid-client asks for.
      const { status } = response;
      const hasBody = status !== 204 && status !== 304 && status >= 200;
      const plain = hasBody ? await response.arrayBuffer() : null;
      return new globalThis.Response(plain, { status, headers: [...response.headers] });
    },
    async json(url) {
      const response = await get(url, "application/json");
      if (response.status !== 200) {
        await response.body?.cancel();
        return undefined;
      }
      try {
        return await response.json();
      } catch {
        return undefined;
      }
    },
    async challenge(url) {
      const response = await get(url, "text/event-stream");
      await response.body?.cancel();
      return { status: response.status, authenticate: response.headers.get("www-authenticate") ?? "" };
    },
    close: () => dispatcher.destroy(),
  };
}

function bytesOf(body: unknown): string | Uint8Array {
  if (typeof body === "string" || body instanceof Uint8Array) return body;
  return String(body);
}

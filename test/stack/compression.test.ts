/** nginx before a gateway: whichever layer a stack chooses compresses, and the other one does not. */
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Gateway, missing, send, startGateway, titled } from "../harness/index.ts";
import { plans } from "../infra/topology/plans.ts";
import { useNginx } from "./files/nginx-site.ts";

const absent = missing("nginx");

describe.each([
  ["nginx", { isCompressing: true, enabled: "false" }],
  ["gateway", { isCompressing: false, enabled: "true" }],
] as const)("a stack in which %s compresses", (layer, { isCompressing, enabled }) => {
  describe.skipIf(absent !== undefined)(titled("behind nginx", absent), () => {
    let gateway: Gateway;
    const { serve } = useNginx();
    beforeAll(async () => {
      gateway = await startGateway({ env: { COMPRESSION_ENABLED: enabled } });
    });
    afterAll(async () => {
      await gateway?.stop();
    });
    const inFront = async () => {
      const port = Number(new URL(gateway.url).port);
      return (await serve(plans.dev, { isCompressing, gateways: [{ host: "127.0.0.1", port }] })).url;
    };
    const get = (url: string, accept: string) =>
      send("GET", `${url}/openapi.json`, { ...gateway.headers, "accept-encoding": accept });

    it("an answer is compressed once, by that layer", async () => {
      const url = await inFront();
      const plain = await get(url, "identity");
      expect(plain.headers["content-encoding"]).toBeUndefined();
      const packed = await get(url, "gzip");
      expect([packed.headers["content-encoding"], packed.headers.vary]).toEqual(["gzip", "Accept-Encoding"]);
      expect(gunzipSync(packed.bytes).toString()).toBe(plain.text);
      const inner = await get(gateway.url, "gzip");
      expect(inner.headers["content-encoding"]).toBe(layer === "gateway" ? "gzip" : undefined);
    });

    it("an event stream is compressed by neither", async () => {
      const url = await inFront();
      const initialize = {
        jsonrpc: "2.0",
        id: 1,
        method: "initialize",
        params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } },
      };
      const headers = {
        ...gateway.headers,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
        "accept-encoding": "gzip, br",
      };
      const opened = await send("POST", `${url}/mcp`, headers, JSON.stringify(initialize));
      const coding = opened.headers["content-encoding"];
      const text =
        coding === "gzip"
          ? gunzipSync(opened.bytes)
          : coding === "br"
            ? brotliDecompressSync(opened.bytes)
            : opened.bytes;
      expect(text.toString()).toContain("protocolVersion");
      const stream = await fetch(`${url}/mcp`, {
        headers: {
          ...gateway.headers,
          accept: "text/event-stream",
          "accept-encoding": "gzip, br",
          "mcp-session-id": String(opened.headers["mcp-session-id"]),
        },
      });
      expect([stream.status, stream.headers.get("content-type"), stream.headers.get("content-encoding")]).toEqual([
        200,
        "text/event-stream",
        null,
      ]);
      await stream.body?.cancel();
    });
  });
});

/** The transports room: what clients speak. */
export { JSON_HEADERS, respondFault, respondJson } from "./answers.ts";
export { CompressedSink } from "./compressed-sink.ts";
export { type Compressor, codingOf, createCompressor, mayCompress } from "./compression.ts";
export type { Endpoint, TransportParts } from "./context.ts";
export { corsHeaders, isPreflight, preflightHeaders } from "./cors.ts";
export { createEdge, isCall } from "./edge.ts";
export { createHttpSse } from "./http-sse.ts";
export { createKeepalive, createPatience } from "./replies.ts";
export { serveRpc } from "./rpc.ts";
export { serveStreamableHttp } from "./streamable-http.ts";
export { createTakeover } from "./takeover.ts";
export { createWebSockets } from "./websocket.ts";

/** The fastify engine: the common door, with node:http under Fastify and HTTP/2 behind it. */
import type { Application } from "../../../contract/http.ts";
import { createDoor } from "../door.ts";
import type { EngineOptions, ServerEngine } from "../engine.ts";
import { createHttp2Connections } from "../http2/connections.ts";
import { createFastifyConnections } from "./connections.ts";

export function createFastifyEngine(options: EngineOptions, application: Application): ServerEngine {
  return createDoor(options, {
    http1: createFastifyConnections(options, application),
    http2: createHttp2Connections(options, application),
    prefaceReader: "door",
  });
}

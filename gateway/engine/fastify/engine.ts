/** The fastify engine: the common door, with node:http under Fastify behind it. */
import type { Application } from "../../../contract/http.ts";
import { createDoor } from "../door.ts";
import type { EngineOptions, ServerEngine } from "../engine.ts";
import { createFastifyConnections } from "./connections.ts";

export function createFastifyEngine(options: EngineOptions, application: Application): ServerEngine {
  return createDoor(options, { http1: createFastifyConnections(options, application) });
}

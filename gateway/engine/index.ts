/** The engine room's door: a name from the settings becomes an engine. */
import { createBoundedEngine } from "./bounded/engine.ts";
import type { EngineFactory } from "./engine.ts";
import { createFastifyEngine } from "./fastify/engine.ts";

export { TrustedProxies } from "./client-address.ts";
export type { Address, DrainReport, EngineFactory, EngineOptions, ServerEngine, TlsFiles } from "./engine.ts";

export type EngineName = "fastify" | "bounded";

export const engines: Readonly<Record<EngineName, EngineFactory>> = {
  fastify: createFastifyEngine,
  bounded: createBoundedEngine,
};

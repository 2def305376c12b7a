/** The engine room's door: a name from the settings becomes an engine. */
import type { EngineFactory } from "./engine.ts";
import { createFastifyEngine } from "./fastify/engine.ts";

export type { Address, DrainReport, EngineFactory, EngineOptions, ServerEngine, TlsFiles } from "./engine.ts";

export type EngineName = "fastify";

export const engines: Readonly<Record<EngineName, EngineFactory>> = { fastify: createFastifyEngine };

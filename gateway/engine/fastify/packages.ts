/** Fastify and ws, loaded when a connection needs them: with the bounded engine in front that is hardly ever, and they are a sixth of a start. */
import { createRequire } from "node:module";
import type Fastify from "fastify";
import type * as Ws from "ws";
import { lazily } from "../../../contract/lazily.ts";

const require = createRequire(import.meta.url);

export const fastifyPackage = lazily((): typeof Fastify => require("fastify"));
export const webSockets = lazily((): typeof Ws => require("ws"));

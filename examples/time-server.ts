/**
 * The example MCP server that ships as an upstream: times, echo, addition, a slow call, resources and a prompt, over stdio
 * in both eras (docs/adr/0020-example-server.md). It writes nothing but protocol messages to stdout.
 */
import { setTimeout as delay } from "node:timers/promises";
import {
  type CallToolResult,
  McpServer,
  ProtocolError,
  ProtocolErrorCode,
  ResourceTemplate,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import * as z from "zod";
import { convertTime, currentTime, TimeError, zoneNames } from "./time-zones.ts";

const READ_ONLY = { readOnlyHint: true, openWorldHint: false } as const;
const zone = z.string().max(100).describe("IANA time zone, for example Europe/Berlin");

function text(value: string): CallToolResult {
  return { content: [{ type: "text", text: value }] };
}

/** Runs a tool body; what the caller can correct becomes a tool error (MCP 2025-11-25 tools: error handling). */
function answer(compute: () => unknown): CallToolResult {
  try {
    return text(JSON.stringify(compute(), null, 2));
  } catch (error) {
    if (error instanceof TimeError) return { ...text(error.message), isError: true };
    throw error;
  }
}

function registerTimes(server: McpServer): void {
  server.registerTool(
    "convert_time",
    {
      title: "Convert time",
      description:
        "Converts a wall-clock time between two time zones, on today's date in the source zone. Says so when a clock change skips or doubles the time.",
      inputSchema: z.object({
        source_timezone: zone,
        target_timezone: zone,
        time: z.string().max(100).describe("24-hour HH:MM"),
      }),
      annotations: READ_ONLY,
    },
    ({ source_timezone, target_timezone, time }) =>
      answer(() => convertTime(source_timezone, target_timezone, time, Temporal.Now.instant())),
  );
  server.registerTool(
    "get_current_time",
    {
      title: "Current time",
      description: "The present date and time in a time zone.",
      inputSchema: z.object({ timezone: zone }),
      annotations: READ_ONLY,
    },
    ({ timezone }) => answer(() => currentTime(timezone, Temporal.Now.instant())),
  );
}

const addend = z.union([z.number(), z.string().regex(/^-?\d{1,1000}$/)]);

/** Exact for integers: those beyond ±(2^53-1) have to come as strings of digits, because a JSON number has lost them already. */
function add(a: number | string, b: number | string): CallToolResult {
  const unsafe = [a, b].find((n) => typeof n === "number" && Number.isInteger(n) && !Number.isSafeInteger(n));
  if (unsafe !== undefined) {
    return {
      ...text(`${unsafe} is beyond ±(2^53-1), where JSON numbers lose digits: send it as a string of digits.`),
      isError: true,
    };
  }
  if (typeof a === "number" && typeof b === "number" && !(Number.isInteger(a) && Number.isInteger(b)))
    return text(String(a + b));
  if ([a, b].some((n) => typeof n === "number" && !Number.isInteger(n))) {
    return {
      ...text("A fraction and a string of digits cannot be added exactly: send both as numbers."),
      isError: true,
    };
  }
  return text(String(BigInt(a) + BigInt(b)));
}

const SLOW_STEPS = 10;

/** Waits in ten steps with a progress notification after each when asked for; a cancelled call ends within the step. */
async function slow(ms: number, context: ServerContext): Promise<CallToolResult> {
  const progressToken = context.mcpReq._meta?.progressToken;
  for (let step = 1; step <= SLOW_STEPS; step++) {
    await delay(ms / SLOW_STEPS, undefined, { signal: context.mcpReq.signal });
    if (progressToken === undefined) continue;
    await context.mcpReq.notify({
      method: "notifications/progress",
      params: {
        progressToken,
        progress: step,
        total: SLOW_STEPS,
        message: `${Math.round((ms * step) / SLOW_STEPS)} ms`,
      },
    });
  }
  return text(`waited ${ms} ms`);
}

function registerSmallTools(server: McpServer): void {
  server.registerTool(
    "echo",
    {
      title: "Echo",
      description: "Answers with the message as it came.",
      inputSchema: z.object({ message: z.string() }),
      annotations: READ_ONLY,
    },
    ({ message }) => text(message),
  );
  server.registerTool(
    "add",
    {
      title: "Add",
      description: "Adds two numbers; integers beyond ±(2^53-1) as strings of digits.",
      inputSchema: z.object({ a: addend, b: addend }),
      annotations: READ_ONLY,
    },
    ({ a, b }) => add(a, b),
  );
  server.registerTool(
    "slow",
    {
      title: "Slow",
      description: "Waits, reports progress when asked for it, and can be cancelled.",
      inputSchema: z.object({ ms: z.int().min(0).max(60_000).describe("how long, in milliseconds") }),
      annotations: READ_ONLY,
    },
    ({ ms }, context) => slow(ms, context),
  );
}

/** The text of `time://now/{+zone}`; an unknown zone is an unknown resource (-32602, MCP 2026-07-28 resources). */
function nowText(zoneName: string): string {
  try {
    return JSON.stringify(currentTime(zoneName, Temporal.Now.instant()));
  } catch (error) {
    if (error instanceof TimeError) throw new ProtocolError(ProtocolErrorCode.InvalidParams, error.message);
    throw error;
  }
}

function registerResources(server: McpServer): void {
  server.registerResource(
    "zones",
    "time://zones",
    {
      title: "Time zones",
      description: "Every IANA zone this server knows, one JSON array",
      mimeType: "application/json",
    },
    (uri) => ({ contents: [{ uri: uri.href, mimeType: "application/json", text: JSON.stringify(zoneNames()) }] }),
  );
  server.registerResource(
    "now",
    new ResourceTemplate("time://now/{+zone}", {
      list: undefined,
      complete: {
        zone: (value) =>
          zoneNames()
            .filter((name) => name.toLowerCase().startsWith(value.toLowerCase()))
            .slice(0, 100),
      },
    }),
    { title: "Current time", description: "The present time in a zone", mimeType: "application/json" },
    (uri, { zone: name }) => ({
      contents: [{ uri: uri.href, mimeType: "application/json", text: nowText(String(name)) }],
    }),
  );
}

function registerPrompts(server: McpServer): void {
  server.registerPrompt(
    "schedule_meeting",
    {
      title: "Schedule a meeting",
      description: "Asks for a meeting time that suits people in several time zones.",
      argsSchema: z.object({
        topic: z.string().describe("what the meeting is about"),
        timezones: z.string().describe("comma-separated IANA zones of the people"),
      }),
    },
    ({ topic, timezones }) => ({
      messages: [
        {
          role: "user",
          content: {
            type: "text",
            text: `Find a time today or tomorrow, between 09:00 and 18:00 for everyone, for a meeting about "${topic}". The people are in: ${timezones}. Check each zone with the convert_time tool and answer with the time in every zone.`,
          },
        },
      ],
    }),
  );
}

export function timeServer(): McpServer {
  const server = new McpServer(
    { name: "mcp-stack-time", version: "1.0.0", title: "Time and small tools" },
    { instructions: "Time zone conversion and a few small tools for trying out a gateway." },
  );
  registerTimes(server);
  registerSmallTools(server);
  registerResources(server);
  registerPrompts(server);
  return server;
}

if (import.meta.main) serveStdio(timeServer);

/** How another program speaks to the supervisor: a Unix socket that only its user may open, one request per connection, lines of JSON. */
import { chmodSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { topologySchema, usersSchema } from "./launch.ts";
import { type State, stateSchema } from "./state.ts";
import type { Supervisor } from "./supervisor.ts";

/** sun_path of unix(7), minus the zero at its end. */
const MAX_PATH = 107;

const requestSchema = z.discriminatedUnion("do", [
  z.strictObject({ do: z.literal("status") }),
  z.strictObject({
    do: z.literal("apply"),
    topology: topologySchema,
    secrets: z.record(z.string(), z.string()),
    users: usersSchema,
  }),
  z.strictObject({ do: z.literal("run"), schedule: z.string() }),
  z.strictObject({ do: z.literal("stop") }),
]);
export type Request = z.infer<typeof requestSchema>;

const replySchema = z.union([
  z.strictObject({ say: z.string() }),
  z.strictObject({ state: stateSchema }),
  z.strictObject({ failed: z.string() }),
]);
type Reply = z.infer<typeof replySchema>;

export function controlPath(data: string): string {
  const path = join(data, "control.sock");
  if (Buffer.byteLength(path) <= MAX_PATH) return path;
  throw new RangeError(`${path} is longer than the ${MAX_PATH} bytes of a socket's path: choose a shorter --data-dir`);
}

export type Control = {
  /** Sentences for everybody who waits for an answer. */
  say(sentence: string): void;
  close(): Promise<void>;
};

/** `onStop`: after a stop that was asked for. Throws where another supervisor serves this directory. */
export async function serveControl(data: string, supervisor: Supervisor, onStop: () => void): Promise<Control> {
  const path = controlPath(data);
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket)).on("error", () => socket.destroy());
    const lines = createInterface({ input: socket });
    // It hands on the socket's errors: a caller that goes away is none of the stack's.
    lines.on("error", () => {});
    lines.once("line", (line) => {
      void answer(line, supervisor).then((reply) => {
        socket.end(lineOf(reply.reply));
        if (reply.isStopped) onStop();
      });
    });
  });
  await listen(server, path);
  chmodSync(path, 0o600);
  return {
    say: (sentence) => {
      for (const socket of open) socket.write(lineOf({ say: sentence }));
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function answer(line: string, supervisor: Supervisor): Promise<{ reply: Reply; isStopped: boolean }> {
  const request = requestSchema.safeParse(parseJson(line));
  if (!request.success) return { reply: { failed: "the supervisor does not know this request" }, isStopped: false };
  const isStopped = request.data.do === "stop";
  try {
    await perform(request.data, supervisor);
    return { reply: { state: supervisor.state() }, isStopped };
  } catch (error) {
    return { reply: { failed: error instanceof Error ? error.message : String(error) }, isStopped };
  }
}

async function perform(request: Request, supervisor: Supervisor): Promise<void> {
  if (request.do === "apply") await supervisor.apply(request);
  else if (request.do === "run") await supervisor.runOnce(request.schedule);
  else if (request.do === "stop") await supervisor.stop();
}

/** A socket file whose owner was killed refuses everybody; it makes room. */
async function listen(server: Server, path: string): Promise<void> {
  if (await isServed(path)) throw new RangeError(`${path} is served already: another stack runs in this directory`);
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
}

/** Whether a supervisor answers for this data directory. */
export function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** The state afterwards; RangeError with the supervisor's words. `say`: what happens until then. */
export function request(data: string, wanted: Request, say: (sentence: string) => void): Promise<State> {
  return new Promise((resolve, reject) => {
    const socket = connect(controlPath(data), () => socket.write(lineOf(wanted)));
    const gone = () => reject(new RangeError("the supervisor ended before it answered"));
    socket.on("error", gone);
    createInterface({ input: socket })
      .on("error", gone)
      .on("line", (line) => {
        const reply = replySchema.safeParse(parseJson(line));
        if (!reply.success)
          reject(new RangeError("the supervisor's answer is not understood: is it of another version?"));
        else if ("say" in reply.data) say(reply.data.say);
        else if ("state" in reply.data) resolve(reply.data.state);
        else reject(new RangeError(reply.data.failed));
      })
      .once("close", gone);
  });
}

function lineOf(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

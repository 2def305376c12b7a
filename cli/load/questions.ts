/** What the clients of a load test ask: methods by their share, eras, sessions, all drawn from one seed. */
import { judge } from "./answers.ts";
import type { Question } from "./generator.ts";
import { type Asked, type Endpoint, type Era, FIRST_ID, type Method, requestWriter } from "./messages.ts";
import type { ToolCall } from "./tools.ts";

/** Share of each method; together 1. */
export type Mix = ReadonlyMap<Method, number>;

export type Subject = {
  readonly endpoint: Endpoint;
  readonly era: Era | "mixed";
  readonly mix: Mix;
  readonly tool: ToolCall | undefined;
  /** Legacy sessions that are open; shared at random. */
  readonly sessions: readonly (string | undefined)[];
  readonly random: () => number;
};

/** Answers the next request at each call. In a mixed load every other client, by chance, is of the modern era. */
export function questions(subject: Subject): () => Question {
  const { endpoint, mix, tool, sessions, random } = subject;
  const eras: readonly Era[] = subject.era === "mixed" ? ["legacy", "modern"] : [subject.era];
  const methods = [...mix.keys()];
  const shares = [...mix.values()];
  const writers = eras.map((era) => methods.map((method) => requestWriter(endpoint, asked(era, method, tool))));
  let id = FIRST_ID;
  return () => {
    const era = Math.floor(random() * eras.length);
    const write = writers[era]?.[drawn(shares, random())];
    if (write === undefined) throw new RangeError("the mix names no method");
    const session = eras[era] === "legacy" ? sessions[Math.floor(random() * sessions.length)] : undefined;
    id = id >= 10 * FIRST_ID - 1 ? FIRST_ID : id + 1;
    const request = write(id, session);
    return {
      text: request.text,
      failureOf(answer) {
        const judged = judge(answer, request.id);
        return "failure" in judged ? judged.failure : undefined;
      },
    };
  };
}

function asked(era: Era, method: Method, tool: ToolCall | undefined): Asked {
  if (method !== "tools/call" || tool === undefined) return { era, method, params: {} };
  return { era, method, params: { name: tool.name, arguments: tool.arguments }, name: tool.name };
}

/** Index of the share in which `point` (0…1) falls; the last where rounding leaves a rest. */
function drawn(shares: readonly number[], point: number): number {
  let sum = 0;
  const found = shares.findIndex((share) => {
    sum += share;
    return point < sum;
  });
  return found < 0 ? shares.length - 1 : found;
}

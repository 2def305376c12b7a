/**
 * Ways on which a request of HTTP/1.1 reaches the application: through node:http, through the strict reader, and through node:http
 * behind the strict reader, once that has given a connection away. They have to mean the same.
 */
import type { EngineName } from "../../../gateway/engine/index.ts";
import { type Answer, type Http1Client, http1Client } from "./http1-client.ts";

export type Lane = {
  readonly title: string;
  readonly engine: EngineName;
  /** Answered before anything else is sent; the strict reader gives a connection away on which it comes. */
  readonly first: string;
};

export const lanes: readonly Lane[] = [
  { title: "fastify", engine: "fastify", first: "" },
  { title: "bounded", engine: "bounded", first: "" },
  {
    title: "bounded, handed over",
    engine: "bounded",
    first: "POST /first HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  },
];

/** A connection in the hands of whoever the lane is about, and what it said to the first request. */
export async function enterLane(
  { first }: Lane,
  port: number,
): Promise<{ readonly client: Http1Client; readonly opened: Answer | undefined }> {
  const client = await http1Client(port);
  if (first === "") return { client, opened: undefined };
  client.send(first);
  return { client, opened: await client.next("POST") };
}

/** What the bounded engine's reader takes for a head, fresh and repeated, against nothing but itself: `node bench/read-heads.ts`. */
import { HeadReader } from "../gateway/engine/bounded/reader.ts";

const ROUNDS = 9;
const HEADS_PER_ROUND = 200_000;

/** A tools/call as clients send it, of about 500 bytes with its token. */
function call(token: string, length: number): Buffer {
  const lines = [
    "POST /servers/0123456789/mcp HTTP/1.1",
    "Host: gateway.example:4444",
    "User-Agent: client/1.0",
    "Content-Type: application/json",
    "Accept: application/json, text/event-stream",
    `Authorization: Bearer ${token.padEnd(200, "x")}`,
    "Mcp-Session-Id: 0123456789abcdef",
    "Mcp-Protocol-Version: 2025-06-18",
    `Content-Length: ${length}`,
  ];
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
}

/** Nanoseconds of this thread's processor time per head, the best of all rounds. */
function measure(heads: readonly Buffer[], memo: boolean): number {
  const reader = new HeadReader({ maxHeadBytes: 16 * 1024, memo });
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.threadCpuUsage();
    for (let count = 0; count < HEADS_PER_ROUND; count += heads.length) for (const head of heads) reader.read(head, 0);
    const { user, system } = process.threadCpuUsage(start);
    best = Math.min(best, (user + system) / HEADS_PER_ROUND);
  }
  return Math.round(best * 1000);
}

const repeated = [120, 121, 99].map((length) => call("a", length));
const many = [..."abcdefghijklmnop"].map((token) => call(token, 120));
const changing = Array.from({ length: 1000 }, (_, index) => call(`${index}-`, 120));
process.stdout.write(`head of ${repeated[0]?.length} bytes, ns: `);
process.stdout.write(`repeated ${measure(repeated, true)}, `);
process.stdout.write(`of 16 in turn ${measure(many, true)}, `);
process.stdout.write(`changing ${measure(changing, true)}, without memo ${measure(changing, false)}\n`);

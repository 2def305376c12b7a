/** A process of its own that tries for a lease and says what becomes of it, one line of JSON each; ended by its parent. Arguments: URL of Redis, name. */
import { holdLease, redisState } from "../../gateway/coordination/index.ts";
import { silentLog } from "../gateway/coordination/log.ts";

const [url = "", workerId = ""] = process.argv.slice(2);
const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
holdLease(
  redisState({ url, prefix: "test:", log: silentLog }),
  { name: "task", workerId, ttlMs: 1500, heartbeatMs: 300, log: silentLog },
  { acquired: (fence) => say({ acquired: fence }), lost: () => say({ lost: true }) },
);
// Nothing else keeps it alive.
setInterval(() => undefined, 60_000);

/**
 * Passwords: Argon2id (RFC 9106) of node:crypto in the PHC string format, which says its own parameters, so that they can be raised. Few at
 * once: each takes the memory that makes guessing dear.
 */
import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { fault } from "../../contract/errors.ts";

const hashOnce = promisify(argon2);
const AT_ONCE = 2;
const MAX_WAITING = 32;
const TAG_BYTES = 32;
const SALT_BYTES = 16;
/** What a hash from elsewhere may cost at most: its parameters are data. */
const MAX_MEMORY_KIB = 1_048_576;
const MAX_PASSES = 64;
const MAX_LANES = 16;

export type HashCost = { readonly memoryKib: number; readonly passes: number; readonly lanes: number };

export interface Passwords {
  hash(password: string): Promise<string>;
  /** Takes as long without a hash (undefined: no such user, or one without a password). Rejects with MCPS_OVERLOADED. */
  check(password: string, hash: string | undefined): Promise<boolean>;
  /** Made with other parameters than those of now. */
  isOutdated(hash: string): boolean;
}

type Parsed = HashCost & { readonly salt: Buffer; readonly tag: Buffer };

export function createPasswords(cost: HashCost): Passwords {
  const gate = createGate();
  const nobody: Parsed = { ...cost, salt: randomBytes(SALT_BYTES), tag: randomBytes(TAG_BYTES) };
  const derive = (password: string, { memoryKib, passes, lanes, salt, tag }: Parsed) =>
    gate(() =>
      hashOnce("argon2id", {
        message: Buffer.from(password.normalize("NFC")),
        nonce: salt,
        memory: memoryKib,
        passes,
        parallelism: lanes,
        tagLength: tag.length,
      }),
    );
  return {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES);
      const tag = await derive(password, { ...cost, salt, tag: nobody.tag });
      return `$argon2id$v=19$m=${cost.memoryKib},t=${cost.passes},p=${cost.lanes}$${plain(salt)}$${plain(tag)}`;
    },
    async check(password, hash) {
      const parsed = hash === undefined ? undefined : parseHash(hash);
      const wanted = parsed ?? nobody;
      const isSame = timingSafeEqual(await derive(password, wanted), wanted.tag);
      return isSame && parsed !== undefined;
    },
    isOutdated(hash) {
      const parsed = parseHash(hash);
      return parsed?.memoryKib !== cost.memoryKib || parsed.passes !== cost.passes || parsed.lanes !== cost.lanes;
    },
  };
}

const plain = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");

/** Undefined for what is no hash of this kind. */
function parseHash(hash: string): Parsed | undefined {
  const found =
    /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,64})\$([A-Za-z0-9+/]{16,86})$/.exec(
      hash,
    );
  if (found === null) return undefined;
  const [memoryKib = 0, passes = 0, lanes = 0] = found.slice(1, 4).map(Number);
  if (memoryKib > MAX_MEMORY_KIB || passes > MAX_PASSES || lanes > MAX_LANES || lanes < 1 || passes < 1)
    return undefined;
  if (memoryKib < 8 * lanes) return undefined;
  return {
    memoryKib,
    passes,
    lanes,
    salt: Buffer.from(found[4] ?? "", "base64"),
    tag: Buffer.from(found[5] ?? "", "base64"),
  };
}

/** Runs a few at once, in order; rejects with MCPS_OVERLOADED when too many wait. */
function createGate(): <Result>(work: () => Promise<Result>) => Promise<Result> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= AT_ONCE) {
      if (waiting.length >= MAX_WAITING)
        throw fault("MCPS_OVERLOADED", { what: "logins", limit: MAX_WAITING }, undefined, { "retry-after": "2" });
      await new Promise<void>((turn) => waiting.push(turn));
    } else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}

/** Whether the processes of a deployment have the same secrets: those that do not refuse each other's tokens and sessions. Part of the composition root. */
import { hkdfSync } from "node:crypto";
import type { SharedState } from "./coordination/index.ts";
import { parseKeyRing } from "./sessions/index.ts";
import type { Secrets } from "./settings/index.ts";
import type { Log } from "./telemetry/index.ts";

const KEY = "secrets";
/** Long enough that a replica which is added much later is still told. */
const TTL_MS = 30 * 86_400_000;
/** 32 bits tell secrets apart. */
const MARK_BYTES = 4;
const SALT = "mcp-stack secrets";

/** HKDF, RFC 5869: with a secret salt it is a mark that only its owner can make. */
const markOf = (secret: string | Buffer, salt: string | Buffer = SALT): string =>
  Buffer.from(hkdfSync("sha256", secret, salt, "mark", MARK_BYTES)).toString("hex");

type Given = Pick<Secrets, "jwtSecret" | "encryptionSecret" | "sessionKeys" | "path">;

/**
 * Leaves marks of the secrets in the shared state and warns of each that has nothing in common with the one that the process before had. A
 * ring that was lengthened still has; a secret that was replaced is told once, while its change goes through the deployment. Never rejects.
 */
export async function compareSecrets(state: SharedState, secrets: Given, log: Log): Promise<void> {
  try {
    const before = await state.mapGet(KEY);
    for (const [setting, own] of Object.entries(marksOf(secrets))) {
      if (differs(own, before.get(setting)?.split(",") ?? []))
        log.warn("secrets.differ", {
          setting,
          reason:
            "another process of this deployment was started with another one: neither accepts what the other makes",
          remedy: `give all replicas one ${setting}`,
          ...(secrets.path === undefined ? {} : { madeIn: secrets.path }),
        });
      await state.mapSet(KEY, setting, own.join(","), TTL_MS);
    }
  } catch (error) {
    log.debug("secrets.not_compared", { reason: String(error) });
  }
}

/**
 * Whoever reads the shared state can try guesses of AUTH_ENCRYPTION_SECRET against its marks, as against anything that is sealed with it: no
 * help against a ring of keys (256 bits) or a passphrase that nobody thought up, only against one that can be guessed. The other two,
 * among them a JWT_SECRET_KEY that somebody may have thought up, are marked under the keys of that ring, and give nothing to try without
 * it. JWT_SECRET_KEY is compared with every JWT_ALGORITHM: password resets, sign-in and cache identities are made with it.
 */
function marksOf({ jwtSecret, encryptionSecret, sessionKeys }: Given): Readonly<Record<string, readonly string[]>> {
  const ring = parseKeyRing(encryptionSecret).map(({ secret }) => ({ secret, mark: markOf(secret) }));
  const under = (secret: string | Buffer) => ring.map((key) => `${key.mark}:${markOf(secret, key.secret)}`);
  return {
    JWT_SECRET_KEY: under(jwtSecret),
    AUTH_ENCRYPTION_SECRET: ring.map(({ mark }) => mark),
    SESSION_KEYS: parseKeyRing(sessionKeys).flatMap(({ secret }) => under(secret)),
  };
}

/** Marks made under other keys say nothing: that those differ is told by itself. */
function differs(own: readonly string[], known: readonly string[]): boolean {
  const keys = new Set(own.map(keyOf));
  const comparable = known.filter((mark) => keys.has(keyOf(mark)));
  return comparable.length > 0 && !comparable.some((mark) => own.includes(mark));
}

const keyOf = (mark: string): string => mark.slice(0, mark.lastIndexOf(":") + 1);

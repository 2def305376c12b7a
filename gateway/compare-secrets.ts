/** Whether the processes of a deployment have the same secrets: those that do not refuse each other's tokens and sessions. Part of the composition root. */
import { hkdfSync } from "node:crypto";
import type { Settings } from "../contract/settings.ts";
import type { SharedState } from "./coordination/index.ts";
import { parseKeyRing } from "./sessions/index.ts";
import type { Secrets } from "./settings/index.ts";
import type { Log } from "./telemetry/index.ts";

const KEY = "secrets";
/** Long enough that a replica which is added much later is still told. */
const TTL_MS = 30 * 86_400_000;
/** 32 bits tell secrets apart and are no help to somebody who guesses one. */
const MARK_BYTES = 4;

const markOf = (secret: string | Buffer): string =>
  Buffer.from(hkdfSync("sha256", secret, "mcp-stack secrets", "mark", MARK_BYTES)).toString("hex");

const ringMarks = (ring: string): readonly string[] => parseKeyRing(ring).map(({ secret }) => markOf(secret));

type Given = Pick<Secrets, "jwtSecret" | "encryptionSecret" | "sessionKeys" | "path">;

/**
 * Leaves marks of the secrets in the shared state and warns of each that has nothing in common with the one that the process before had. A
 * ring that was lengthened still has; a secret that was replaced is told once, while its change goes through the deployment. Never rejects.
 */
export async function compareSecrets(
  state: SharedState,
  settings: Pick<Settings, "JWT_ALGORITHM">,
  secrets: Given,
  log: Log,
): Promise<void> {
  try {
    const before = await state.mapGet(KEY);
    for (const [setting, own] of Object.entries(marksOf(settings, secrets))) {
      const known = before.get(setting)?.split(",");
      if (known !== undefined && !own.some((mark) => known.includes(mark)))
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

function marksOf(
  { JWT_ALGORITHM }: Pick<Settings, "JWT_ALGORITHM">,
  { jwtSecret, encryptionSecret, sessionKeys }: Given,
): Readonly<Record<string, readonly string[]>> {
  return {
    ...(JWT_ALGORITHM.startsWith("HS") ? { JWT_SECRET_KEY: [markOf(jwtSecret)] } : {}),
    AUTH_ENCRYPTION_SECRET: ringMarks(encryptionSecret),
    SESSION_KEYS: ringMarks(sessionKeys),
  };
}

/**
 * Keys nobody configured: made once, kept in the data directory, readable by its owner alone. There is no usable default
 * secret; a deployment with several machines configures its own.
 */
import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fault } from "../../contract/errors.ts";
import type { Settings } from "../../contract/settings.ts";

const Generated = z.strictObject({
  JWT_SECRET_KEY: z.string().min(32),
  AUTH_ENCRYPTION_SECRET: z.string().min(32),
  SESSION_KEYS: z.string().min(32),
});

type Generated = z.infer<typeof Generated>;

/** The three secrets of a gateway, configured or generated. */
export type Secrets = {
  readonly jwtSecret: string;
  /** Key ring text. */
  readonly encryptionSecret: string;
  /** Key ring text. */
  readonly sessionKeys: string;
  /** The file of those that were generated; undefined when all are configured. */
  readonly path: string | undefined;
  /** True for the process that made the file just now. */
  readonly created: boolean;
};
type Configured = Pick<Settings, "JWT_SECRET_KEY" | "AUTH_ENCRYPTION_SECRET" | "SESSION_KEYS">;

/** What is configured is used; the rest is generated. Two processes that start at once end with the same. Throws MCPS_DATA_DIR. */
export async function ensureSecrets(dataDir: string, settings: Configured): Promise<Secrets> {
  const jwt = settings.JWT_SECRET_KEY;
  const encryption = settings.AUTH_ENCRYPTION_SECRET;
  const sessions = settings.SESSION_KEYS;
  if (jwt !== undefined && encryption !== undefined && sessions !== undefined)
    return { jwtSecret: jwt, encryptionSecret: encryption, sessionKeys: sessions, path: undefined, created: false };
  const { keys, path, created } = await generatedSecrets(dataDir);
  return {
    jwtSecret: jwt ?? keys.JWT_SECRET_KEY,
    encryptionSecret: encryption ?? keys.AUTH_ENCRYPTION_SECRET,
    sessionKeys: sessions ?? keys.SESSION_KEYS,
    path,
    created,
  };
}

async function generatedSecrets(dataDir: string): Promise<{ keys: Generated; path: string; created: boolean }> {
  // A directory of its own, since DATA_DIR may be one that others have to read.
  const directory = join(dataDir, "secrets");
  const path = join(directory, "keys.json");
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const known = await readSecrets(path);
    if (known !== undefined) return { keys: known, path, created: false };
    await chmod(directory, 0o700);
    const created = await placeSecrets(directory, path);
    const keys = await readSecrets(path);
    if (keys === undefined) throw new Error(`${path} was removed while it was made`);
    return { keys, path, created };
  } catch (error) {
    throw fault("MCPS_DATA_DIR", { path: dataDir, reason: reasonOf(error) });
  }
}

/** Undefined when there is no such file. Throws without showing content. */
async function readSecrets(path: string): Promise<Generated | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
  return parseSecrets(path, text);
}

function parseSecrets(path: string, text: string): Generated {
  try {
    return Generated.parse(JSON.parse(text));
  } catch {
    throw new Error(`${path} does not hold the three secrets; restore it, or remove it to make new ones`);
  }
}

/** A complete file is linked to its name, which fails where the name exists: the first process wins. True for it. */
async function placeSecrets(directory: string, path: string): Promise<boolean> {
  const temporary = join(directory, `.secrets-${randomBytes(8).toString("hex")}`);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(`${JSON.stringify(freshSecrets(), undefined, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

function freshSecrets(): Generated {
  const ring = () => `k1:${randomBytes(32).toString("base64")}`;
  return {
    JWT_SECRET_KEY: randomBytes(48).toString("base64url"),
    AUTH_ENCRYPTION_SECRET: ring(),
    SESSION_KEYS: ring(),
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "unknown reason";
}

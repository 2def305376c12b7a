/** `mcp-stack token`: makes a token on stdout, signed as JWT_ALGORITHM says. */
import type { Settings } from "../../contract/settings.ts";
import { mintToken, type OwnKeys, readOwnKeys } from "../../gateway/auth/index.ts";
import { ensureSecrets, loadSettings } from "../../gateway/settings/index.ts";
import { type Command, readOptions, UsageError } from "../command.ts";

const options = {
  username: { type: "string", value: "<email>", help: "Who the token speaks for (default: PLATFORM_ADMIN_EMAIL)" },
  exp: { type: "string", value: "<minutes>", help: "Minutes until it expires, 0 for never (default: TOKEN_EXPIRY)" },
  secret: {
    type: "string",
    value: "<key>",
    help: "Key of an HS* token (default: JWT_SECRET_KEY, else the one in DATA_DIR)",
  },
  admin: { type: "boolean", help: "Make the caller an administrator" },
  "data-dir": { type: "string", value: "<directory>", help: "Where generated secrets are kept (DATA_DIR)" },
} as const;

export const command: Command = {
  summary: "make a token for a client",
  options,
  async run(argv) {
    const given = readOptions(argv, options);
    const { settings } = loadSettings({ cli: { JWT_SECRET_KEY: given.secret, DATA_DIR: given["data-dir"] } });
    if (given.secret !== undefined && !settings.JWT_ALGORITHM.startsWith("HS"))
      throw new UsageError(`--secret is for HS*, JWT_ALGORITHM is ${settings.JWT_ALGORITHM}`);
    const token = await mintToken(
      await keysOf(settings),
      {
        audience: settings.JWT_AUDIENCE,
        issuer: settings.JWT_ISSUER,
        adminEmail: settings.PLATFORM_ADMIN_EMAIL,
        now: Date.now,
      },
      {
        username: given.username ?? settings.PLATFORM_ADMIN_EMAIL,
        expMinutes: given.exp === undefined ? settings.TOKEN_EXPIRY : minutesOf(given.exp),
        admin: given.admin === true,
      },
    );
    process.stdout.write(`${token}\n`);
    return 0;
  },
};

/** Throws UsageError where tokens are made elsewhere, and as readOwnKeys does. */
async function keysOf(settings: Settings): Promise<OwnKeys> {
  const algorithm = settings.JWT_ALGORITHM;
  const isShared = algorithm.startsWith("HS");
  const keys = readOwnKeys({
    algorithm,
    secret: isShared ? (settings.JWT_SECRET_KEY ?? (await generatedKey(settings))) : undefined,
    privateKeyPath: settings.JWT_PRIVATE_KEY_PATH,
    publicKeyPath: settings.JWT_PUBLIC_KEY_PATH,
  });
  if (keys?.signing === undefined) throw new UsageError(`JWT_ALGORITHM is ${algorithm}: set JWT_PRIVATE_KEY_PATH`);
  return keys;
}

async function generatedKey(settings: Settings): Promise<string> {
  const { jwtSecret, created, path } = await ensureSecrets(settings.DATA_DIR, settings);
  // Made here, it is a key that no running gateway has.
  if (created) process.stderr.write(`A new signing key was made in ${path}.\n`);
  return jwtSecret;
}

/** A century at most, so that the claim stays a date that every library can hold. */
function minutesOf(text: string): number {
  if (!/^\d{1,8}$/.test(text) || Number(text) > 52_560_000)
    throw new UsageError("--exp takes whole minutes from 0 to 52560000");
  return Number(text);
}

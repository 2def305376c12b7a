import { mkdtempSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseKeyRing } from "../../../gateway/sessions/index.ts";
import { ensureSecrets } from "../../../gateway/settings/index.ts";

const NONE = { JWT_SECRET_KEY: undefined, AUTH_ENCRYPTION_SECRET: undefined, SESSION_KEYS: undefined };
const directory = () => mkdtempSync(join(tmpdir(), "secrets-"));

describe("ensureSecrets", () => {
  it("makes keys once, readable by the owner alone", async () => {
    const dataDir = join(directory(), "new");
    const made = await ensureSecrets(dataDir, NONE);
    expect(made).toMatchObject({ path: join(dataDir, "secrets", "keys.json"), created: true });
    expect(statSync(join(dataDir, "secrets")).mode & 0o777).toBe(0o700);
    expect(statSync(made.path ?? "").mode & 0o777).toBe(0o600);
    expect(await ensureSecrets(dataDir, NONE)).toEqual({ ...made, created: false });
    expect(parseKeyRing(made.sessionKeys).map(({ id }) => id)).toEqual(["k1"]);
    expect(made.sessionKeys).not.toBe(made.encryptionSecret);
  });

  it("ends with the same keys in processes that start at once, and leaves nothing behind", async () => {
    const dataDir = directory();
    const all = await Promise.all(Array.from({ length: 8 }, () => ensureSecrets(dataDir, NONE)));
    expect(new Set(all.map(({ jwtSecret }) => jwtSecret)).size).toBe(1);
    expect(all.filter(({ created }) => created)).toHaveLength(1);
    expect(readdirSync(join(dataDir, "secrets"))).toEqual(["keys.json"]);
  });

  it("uses what is configured and writes nothing when all of it is", async () => {
    const dataDir = directory();
    const configured = { JWT_SECRET_KEY: "j", AUTH_ENCRYPTION_SECRET: "e", SESSION_KEYS: "s" };
    expect(await ensureSecrets(dataDir, configured)).toEqual({
      jwtSecret: "j",
      encryptionSecret: "e",
      sessionKeys: "s",
      path: undefined,
      created: false,
    });
    expect(readdirSync(dataDir)).toEqual([]);
  });

  it("refuses a file it cannot use, and shows nothing of it", async () => {
    const dataDir = directory();
    const { path } = await ensureSecrets(dataDir, NONE);
    writeFileSync(path ?? "", '{"JWT_SECRET_KEY":"leaked"}');
    await expect(ensureSecrets(dataDir, NONE)).rejects.toMatchObject({ code: "MCPS_DATA_DIR" });
    await expect(ensureSecrets(dataDir, NONE)).rejects.not.toThrow(/leaked/);
    await expect(ensureSecrets("/dev/null/x", NONE)).rejects.toMatchObject({ code: "MCPS_DATA_DIR" });
  });
});

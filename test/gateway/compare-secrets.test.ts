/** Replicas with secrets of their own: told at the start, and only then. */
import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { compareSecrets } from "../../gateway/compare-secrets.ts";
import { memoryState } from "../../gateway/coordination/index.ts";
import { recordingLog } from "./coordination/log.ts";
import { wrapState } from "./sessions/wrapped-state.ts";

const key = (id: string) => `${id}:${randomBytes(32).toString("base64")}`;
const made = () => ({
  jwtSecret: randomBytes(48).toString("base64url"),
  encryptionSecret: key("k1"),
  sessionKeys: key("k1"),
  path: undefined,
});
type Made = Omit<ReturnType<typeof made>, "path"> & { path: string | undefined };

/** What is said at the starts of processes with these secrets, one after the other. */
async function said(starts: readonly Made[]) {
  const state = memoryState();
  const { log, lines } = recordingLog();
  for (const secrets of starts) await compareSecrets(state, secrets, log);
  return { lines, marks: await state.mapGet("secrets") };
}

const differs = (setting: string, more = {}) => ({
  level: "warn",
  event: "secrets.differ",
  fields: {
    setting,
    reason: "another process of this deployment was started with another one: neither accepts what the other makes",
    remedy: `give all replicas one ${setting}`,
    ...more,
  },
});

describe("secrets of a deployment", () => {
  it("that are the same everywhere are not spoken of, and not to be read from their marks", async () => {
    const secrets = made();
    const { lines, marks } = await said([secrets, secrets, secrets]);
    expect(lines).toEqual([]);
    expect([...marks].map(([name, mark]) => [name, mark.length])).toEqual([
      ["JWT_SECRET_KEY", 17],
      ["AUTH_ENCRYPTION_SECRET", 8],
      ["SESSION_KEYS", 17],
    ]);
  });

  it("that differ are told by name, and where they were made", async () => {
    const one = made();
    const { jwtSecret, sessionKeys } = made();
    const { lines } = await said([one, { ...one, jwtSecret, path: "/data/secrets/keys.json" }]);
    expect(lines).toEqual([differs("JWT_SECRET_KEY", { madeIn: "/data/secrets/keys.json" })]);
    expect((await said([one, { ...one, jwtSecret, sessionKeys }])).lines).toEqual([
      differs("JWT_SECRET_KEY"),
      differs("SESSION_KEYS"),
    ]);
  });

  it("cannot be guessed by their marks without the key ring, under which alone they are compared", async () => {
    const one = made();
    const other = { ...one, encryptionSecret: key("k1") };
    expect((await said([one, other])).lines).toEqual([differs("AUTH_ENCRYPTION_SECRET")]);
    const [marks, others] = [(await said([one])).marks, (await said([other])).marks];
    for (const name of ["JWT_SECRET_KEY", "SESSION_KEYS"])
      expect(marks.get(name)?.slice(-8)).not.toBe(others.get(name)?.slice(-8));
  });

  it("may be rings that have one key in common", async () => {
    const [old, young] = [key("k1"), key("k2")];
    const secrets = made();
    for (const setting of ["sessionKeys", "encryptionSecret"]) {
      const rings = [old, `${old},${young}`, `${young},${old}`, young].map((ring) => ({ ...secrets, [setting]: ring }));
      expect((await said(rings)).lines).toEqual([]);
    }
  });

  it("are not compared when the shared state is away, which keeps nobody from starting", async () => {
    const { log, lines } = recordingLog();
    const away = wrapState(memoryState(), () => Promise.reject(new Error("away")));
    await compareSecrets(away, made(), log);
    expect(lines).toEqual([{ level: "debug", event: "secrets.not_compared", fields: { reason: "Error: away" } }]);
  });
});

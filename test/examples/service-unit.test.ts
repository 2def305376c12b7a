/** The example unit: systemd understands every line of it, and the gateway every setting. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isSecretName, isSettingName } from "../../contract/settings.ts";
import { loadSettings } from "../../gateway/settings/index.ts";

const unit = readFileSync(join(import.meta.dirname, "..", "..", "examples", "mcp-stack.service"), "utf8");
const isThere = spawnSync("systemd-analyze", ["--version"]).status === 0;

it.skipIf(!isThere)(`systemd understands the unit${isThere ? "" : " (no systemd-analyze)"}`, () => {
  const directory = mkdtempSync(join(tmpdir(), "unit-"));
  try {
    // It looks for the program too, which stands elsewhere here.
    const file = join(directory, "mcp-stack.service");
    writeFileSync(file, unit.replace("/opt/mcp-stack/node_modules/node/bin/node", process.execPath));
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
    writeFileSync(file, unit.replace("ProtectSystem=strict", "ProtectSytem=strict"));
    expect(spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" }).stderr).toContain("ProtectSytem");
  } finally {
    rmSync(directory, { recursive: true });
  }
});

it("leaves the engine and its workers to the environment, and reloads by the signal that replaces workers", () => {
  const lines = unit.split("\n");
  const at = (start: string) => lines.findIndex((line) => line.startsWith(start));
  expect(lines[at("ExecReload=")]).toBe("ExecReload=/bin/kill -HUP $MAINPID");
  // systemd: what the file says is stronger than Environment=, wherever either stands.
  expect(lines[at("EnvironmentFile=")]).toBe("EnvironmentFile=/etc/mcp-stack/environment");
  const said = Object.fromEntries(
    lines.flatMap((line) =>
      [...line.matchAll(/^Environment=(HTTP_SERVER|WORKERS)=(.*)$/g)].map(([, name, value]) => [name, value]),
    ),
  );
  expect(loadSettings({ env: said, envFile: false }).settings).toMatchObject({
    HTTP_SERVER: "fastify",
    WORKERS: "auto",
  });
});

it("sets settings only, and secrets by file", () => {
  const names = [...unit.matchAll(/^Environment=(\w+)=/gm)].map(([, name = ""]) => name);
  expect(names).toEqual([
    "HTTP_SERVER",
    "WORKERS",
    "JWT_SECRET_KEY_FILE",
    "SESSION_KEYS_FILE",
    "AUTH_ENCRYPTION_SECRET_FILE",
    "DATA_DIR",
  ]);
  const plain = names.map((name) => name.replace(/_FILE$/, ""));
  expect(plain.filter((name) => !isSettingName(name))).toEqual([]);
  expect(
    plain.filter((name, at) => isSettingName(name) && isSecretName(name) && !names[at]?.endsWith("_FILE")),
  ).toEqual([]);
});

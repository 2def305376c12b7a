import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeSecret, openSecrets, variableOf } from "../../../../infra/targets/local/secrets.ts";
import type { SecretDeclaration } from "../../../../infra/topology/index.ts";
import { temporaryDirectory } from "../../../harness/index.ts";

let directory: { readonly path: string; remove(): Promise<void> };
beforeEach(async () => {
  directory = await temporaryDirectory();
});
afterEach(() => directory.remove());

const made = (name: string, version = "1"): SecretDeclaration => ({
  name,
  why: "a test",
  kind: "generated",
  length: 40,
  version,
});

it("is made once, of letters and digits, in a file of its owner alone", async () => {
  const first = await openSecrets(directory.path, [made("one"), made("two")], {});
  expect(Object.keys(first)).toEqual(["one", "two"]);
  for (const value of Object.values(first)) expect(value).toMatch(/^[A-Za-z0-9]{40}$/);
  expect(first.one).not.toBe(first.two);
  expect(await openSecrets(directory.path, [made("one"), made("two")], {})).toEqual(first);
  expect(statSync(join(directory.path, "secrets.json")).mode & 0o777).toBe(0o600);
});

it("another version makes another value, of that one alone", async () => {
  const before = await openSecrets(directory.path, [made("one"), made("two")], {});
  const after = await openSecrets(directory.path, [made("one", "2"), made("two")], {});
  expect(after.one).not.toBe(before.one);
  expect(after.two).toBe(before.two);
});

it("one that is not declared any more is kept: the data may need it again", async () => {
  const { one } = await openSecrets(directory.path, [made("one")], {});
  await openSecrets(directory.path, [made("two")], {});
  expect((await openSecrets(directory.path, [made("one")], {})).one).toBe(one);
});

it("a given one comes from its variable, and is written nowhere", async () => {
  const given: SecretDeclaration = {
    name: "redis-url",
    why: "the URL",
    kind: "given",
    key: "mcp-stack:redisUrl",
    version: "1",
  };
  const values = await openSecrets(directory.path, [given], { MCP_STACK_SECRET_REDIS_URL: "redis://a-secret" });
  expect(values).toEqual({ "redis-url": "redis://a-secret" });
  expect(readFileSync(join(directory.path, "secrets.json"), "utf8")).not.toContain("a-secret");
  await expect(openSecrets(directory.path, [given], {})).rejects.toThrow(
    "secret redis-url (the URL) is not given: on this machine the environment variable MCP_STACK_SECRET_REDIS_URL holds what the key mcp-stack:redisUrl of the stack's configuration holds elsewhere",
  );
});

it("a file that cannot be understood is not written over", async () => {
  const file = join(directory.path, "secrets.json");
  writeFileSync(file, "{ half");
  await expect(openSecrets(directory.path, [made("one")], {})).rejects.toThrow(`${file} is not what was written there`);
  expect(readFileSync(file, "utf8")).toBe("{ half");
});

it("names of variables are the secrets' in capitals", () => {
  expect(variableOf("database-gateway")).toBe("MCP_STACK_SECRET_DATABASE_GATEWAY");
});

it("has the length that is asked for", () => {
  expect([makeSecret(0), makeSecret(1).length, makeSecret(64).length]).toEqual(["", 1, 64]);
});

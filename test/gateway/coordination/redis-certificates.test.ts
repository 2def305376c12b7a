import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rootCertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Fault } from "../../../contract/errors.ts";
import { openSharedState } from "../../../gateway/coordination/index.ts";
import { silentLog } from "./log.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "mcp-stack-authorities-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function open(redisUrl: string | undefined, content: string | undefined): string {
  const redisCaFile = join(directory, "ca.pem");
  rmSync(redisCaFile, { force: true });
  if (content !== undefined) writeFileSync(redisCaFile, content);
  try {
    const state = openSharedState({
      redisUrl,
      redisFiles: { authorities: redisCaFile },
      singleProcess: true,
      log: silentLog,
    });
    void state.close();
    return state.kind;
  } catch (error) {
    if (error instanceof Fault && error.code === "MCPS_SETTINGS") return error.message.replaceAll(directory, "…");
    throw error;
  }
}

describe("REDIS_CA_FILE", () => {
  const [first = "", second = ""] = rootCertificates;
  const isNot = (problem: string) =>
    `1 setting(s) cannot be used:\n  REDIS_CA_FILE is "…/ca.pem", it has to be ${problem}`;

  it.each([
    ["one certificate", "rediss://h", first],
    ["a chain with text between", "REDISS+cluster://h", `# one\n${first}\n# two\n${second}\n`],
    ["sentinels", "rediss+sentinel://h/m", first],
  ])("takes %s", (_, url, content) => {
    expect(open(url, content)).toBe("redis");
  });

  it.each([
    [
      "without TLS",
      "redis://h",
      first,
      "unset where REDIS_URL does not begin with rediss, as nothing is encrypted then",
    ],
    [
      "that is not there",
      "rediss://h",
      undefined,
      "a file that can be read (ENOENT: no such file or directory, open '…/ca.pem')",
    ],
    ["without certificates", "rediss://h", "hello", "a PEM file of certificates (-----BEGIN CERTIFICATE-----)"],
    [
      "with a broken certificate",
      "rediss://h",
      `${first}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      "a PEM file of certificates (-----BEGIN CERTIFICATE-----)",
    ],
  ])("refuses one %s", (_, url, content, problem) => {
    expect(open(url, content)).toBe(isNot(problem));
  });

  it("is of no matter without Redis", () => {
    expect(open(undefined, undefined)).toBe("memory");
  });
});

describe("the URL of Redis", () => {
  it("that settings never let through is refused without being repeated", () => {
    const open = () => openSharedState({ redisUrl: "redis://u:hun@ter2@h", singleProcess: true, log: silentLog });
    expect(open).toThrow(
      "the URL of Redis has to be redis://[user:password@]host[:port][/database] with user, password and query values percent-encoded",
    );
  });
});

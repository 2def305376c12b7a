/** What stands in a file is never repeated: not in the report, not in its text, not in the input, not in a message. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatConsequences, formatEnvReport, readDeployment } from "../../../infra/from-env/index.ts";
import { knownNames } from "../../../infra/from-env/names.ts";
import { plan, readInput } from "../../../infra/sizing/index.ts";

/** Recognisable anywhere, in the alphabets that secrets are written in. */
const secret = fc
  .string({ unit: fc.constantFrom(..."abcXYZ019_-+/=$#@:. '\"\\{}"), minLength: 0, maxLength: 20 })
  .map((text) => `zQ9${text}hushHush7`);
const PARTS = /zQ9|hushHush7/;
const name = fc.oneof(fc.constantFrom(...knownNames), fc.constantFrom("PGPASSWORD", "FOO", "GUNICORN_FOO"));
const quote = fc.constantFrom("", "'", '"', "`");

function outputs(text: string, fileName: string): string {
  const { input, report } = readDeployment(text, fileName);
  const style = { colour: true };
  const reading = readInput(input);
  const consequences = reading.ok ? formatConsequences(report, plan(reading.input), style) : JSON.stringify(reading);
  return [JSON.stringify(input), JSON.stringify(report), formatEnvReport(report, style), consequences].join("\n");
}

describe("secrets", () => {
  it("of an environment file are in no output, whatever the name and however broken the line", () => {
    // Without a separator of its own the line has none: what stands before one is a name, whatever it was meant to be.
    const line = fc
      .tuple(name, fc.constantFrom("=", " = ", ""), quote, secret)
      .map(([key, is, mark, value]) => key + is + mark + (is === "" ? value.replaceAll("=", "-") : value));
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), (lines) => {
        expect(outputs(lines.join("\n"), ".env")).not.toMatch(PARTS);
      }),
      { numRuns: 500 },
    );
  });

  it("of a compose file are in no output, wherever they stand", () => {
    const place = fc.constantFrom<(name: string, value: string) => string>(
      (key, value) => `    environment:\n      - ${key}=${value}`,
      (key, value) => `    environment:\n      ${key}: ${JSON.stringify(value)}`,
      (key, value) => `    environment: { ${key}: ${value} }`,
      (_, value) =>
        `    command: [redis-server, --requirepass, ${JSON.stringify(value)}, --maxclients, ${JSON.stringify(value)}]`,
      (_, value) => `    command: postgres -c max_connections=${value} -c ${value}=1 --${value}`,
      (_, value) =>
        `    deploy: { replicas: ${JSON.stringify(value)}, resources: { limits: { cpus: "${value.replaceAll(/["\\]/g, "")}" } } }`,
      (_, value) => `    image: ${JSON.stringify(value)}`,
      (_, value) => `    sysctls: [net.core.somaxconn=${value}, ${value}]`,
      (_, value) => `    ${value}`,
    );
    const service = fc.constantFrom("gateway", "pgbouncer", "postgres", "redis", "nginx");
    const part = fc
      .tuple(service, place, name, secret)
      .map(([role, write, key, value]) => `  ${role}:\n${write(key, value)}`);
    fc.assert(
      fc.property(fc.uniqueArray(part, { minLength: 1, maxLength: 3 }), (parts) => {
        expect(outputs(`services:\n  gateway: {}\n${parts.join("\n")}\n`, "compose.yml")).not.toMatch(PARTS);
      }),
      { numRuns: 500 },
    );
  });
});

/** The stack files hold, and the schema that editors check them with agrees with the reader. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { deploymentOf, readStack, STACK_SCHEMA_FILE, sizingOf, stackJsonSchema } from "../../infra/config.ts";
import { plan, readInput } from "../../infra/sizing/index.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const files = globSync("Pulumi.*.yaml", { cwd: ROOT }).toSorted();
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const validate = new Ajv2020({ strict: false, formats: { "date-time": true } }).compile(stackJsonSchema());

describe("stack files", () => {
  it("are dev, local and prod", () => {
    expect(files).toEqual(["Pulumi.dev.yaml", "Pulumi.local.yaml", "Pulumi.prod.yaml"]);
  });

  it("the committed schema is the one of the declarations", () => {
    expect(JSON.parse(read(STACK_SCHEMA_FILE))).toEqual(JSON.parse(JSON.stringify(stackJsonSchema())));
  });

  it.each(files)("%s names the schema, satisfies it, and its plan holds without a warning", (file) => {
    const text = read(file);
    expect(text.split("\n")[0]).toBe(`# yaml-language-server: $schema=./${STACK_SCHEMA_FILE}`);
    expect([validate(parse(text)), validate.errors]).toEqual([true, null]);
    const reading = readInput(sizingOf(parse(text)));
    if (!reading.ok) throw new Error(reading.problems.map(({ message }) => message).join("\n"));
    expect(readStack(sizingOf(parse(text)), deploymentOf(parse(text)))).toMatchObject({ ok: true });
    const document = plan(reading.input);
    expect([document.refusals, document.warnings, document.accepted]).toEqual([[], [], true]);
  });

  it.each([
    ["target", { target: "nomad" }],
    ["a tag that is no reference", { target: "docker", images: { redis: { reference: "Redis:8" } } }],
    ["root", { target: "docker", images: { redis: { uid: 0 } } }],
    ["a port", { target: "docker", docker: { ports: { nginx: 70_000 } } }],
    ["an unknown key", { target: "docker", postgress: {} }],
    ["an unknown variant", { target: "docker", redis: { variant: "dragonfly" } }],
  ])("the schema and the reader refuse %s", (_, deployment) => {
    const sizing = { environment: "dev", load: { peakRps: 1, meanLatencyMs: 1 } };
    expect(validate({ config: { "mcp-stack:sizing": sizing, "mcp-stack:deployment": deployment } })).toBe(false);
    expect(readStack(sizing, deployment).ok).toBe(false);
  });

  it("every mistake of both parts is told at once, with its key and value", () => {
    const reading = readStack(
      {
        environment: "dev",
        load: { peakRps: 0, meanLatencyMs: 1 },
        gateway: { cpu: 1, memory: "512Mi" },
        database: { postgres: { cpu: 1, memory: "1Gi" } },
      },
      { target: "docker", redis: { variant: "external", networks: ["10.0.0.0"] }, docker: { bind: "localhost" } },
    );
    expect(reading).toEqual({
      ok: false,
      problems: [
        "sizing.load.peakRps: 0 is out of range; allowed: a number from 0.001 to 10000000 (requests/s); nearest: 0.001",
        'deployment.redis.networks.0 is "10.0.0.0": a network as 10.0.0.0/8 or fd00::/8',
        'deployment.docker.bind is "localhost": an IPv4 or IPv6 address',
      ],
    });
  });

  it("the schema refuses what the reader refuses", () => {
    const sizing = (changes: object) => ({ config: { "mcp-stack:sizing": { environment: "dev", ...changes } } });
    expect(validate(sizing({ load: { peakRps: 0, meanLatencyMs: 1 } }))).toBe(false);
    expect(validate(sizing({ lode: {} }))).toBe(false);
    expect(validate(sizing({ gateway: { cpu: 1, memory: 512 } }))).toBe(false);
  });

  it.each([null, 3, [], {}, { config: null }, { config: {} }, { config: { "mcp-stack:sizing": null } }])(
    "%j has no sizing inputs",
    (content) => {
      expect(sizingOf(content)).toBe(undefined);
    },
  );
});

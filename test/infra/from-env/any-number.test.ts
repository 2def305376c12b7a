/** Whatever numbers a file holds: a plan or a problem with a path, never an exception. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readDeployment } from "../../../infra/from-env/index.ts";
import { gatewaySized, poolerSized, postgresSized, redisSized, type Table } from "../../../infra/from-env/sized.ts";
import { evaluate, readInput } from "../../../infra/sizing/index.ts";

const written = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0, max: 5000 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom("-1", "0.5", "1000000", "999999999999999", "auto", "30s", "1gb") },
);
/** Names that take a number at all; the words of the others have tests of their own. */
const flags = (table: Table) => {
  const names = Object.entries(table).filter(([, { read }]) => read("7") !== undefined);
  return fc.dictionary(fc.constantFrom(...names.map(([name]) => name)), written, { maxKeys: 8 });
};

/** True where it came to a plan. */
function isPlanned(text: string, name: string): boolean {
  const { input, report } = readDeployment(text, name);
  if (report.problems.length > 0) return false;
  const reading = readInput(input);
  if (reading.ok) expect(evaluate(reading.input).budgets.length).toBeGreaterThan(50);
  else expect(reading.problems.map(({ path }) => path)).not.toContain("");
  return reading.ok;
}

const RUNS = 1000;
/** Of the files; else the property would be about problems. */
const MANY = RUNS / 4;

describe("any numbers", () => {
  it("in an environment file", () => {
    let planned = 0;
    fc.assert(
      fc.property(flags({ ...gatewaySized, ...poolerSized }), (values) => {
        const lines = Object.entries(values).map(([key, value]) => `${key}=${value}`);
        if (isPlanned(lines.join("\n"), ".env")) planned += 1;
      }),
      { numRuns: RUNS },
    );
    expect(planned).toBeGreaterThan(MANY);
  });

  it("in a compose file", () => {
    let planned = 0;
    const services = fc.record({
      gateway: flags(gatewaySized),
      pgbouncer: flags(poolerSized),
      postgres: flags(postgresSized),
      redis: flags(redisSized),
      replicas: fc.integer({ min: 1, max: 60 }).map(String),
      memory: fc.integer({ min: 1, max: 64_000 }).map(String),
    });
    fc.assert(
      fc.property(services, ({ gateway, pgbouncer, postgres, redis, replicas, memory }) => {
        const resources = { limits: { cpus: replicas, memory: `${memory}m` } };
        const file = {
          services: {
            gateway: { environment: gateway, deploy: { replicas, resources } },
            pgbouncer: { environment: pgbouncer },
            postgres: { command: Object.entries(postgres).flatMap(([key, value]) => ["-c", `${key}=${value}`]) },
            redis: { command: Object.entries(redis).flatMap(([key, value]) => [`--${key}`, value]) },
          },
        };
        if (isPlanned(JSON.stringify(file), "compose.yml")) planned += 1;
      }),
      { numRuns: RUNS },
    );
    expect(planned).toBeGreaterThan(MANY);
  });
});

/** What other documents of the tests are made from: the two worked examples, a load test, and a way to change a few values. */
import { type Raw, withValue } from "./arbitraries.ts";
import { dev, prod } from "./cases.ts";

/** A load test as it may stand beside a deployment. */
export function measured(rpsPerWorker: number, more: Raw = {}): Raw {
  return {
    measuredAt: "2026-11-20T10:00:00Z",
    version: "0.1.0",
    engine: "bounded",
    machine: { cpu: "a processor", cores: 8, memoryMiB: 16_384, runtime: "v26.9.0" },
    load: { profile: "step", era: "modern", mix: { "tools/call": 1 }, requests: 100_000, errorShare: 0 },
    rpsPerWorker,
    ...more,
  };
}

/** The small worked example: one gateway, one of everything. */
export const small: Raw = {
  environment: "dev",
  load: dev.load,
  gateway: { cpu: 1, memory: "512Mi", rpsPerWorker: 150 },
  database: dev.database,
  nginx: dev.nginx,
};

/** The large one: three zones, two poolers, a rate that a load test found. */
export const large: Raw = {
  environment: "prod",
  load: prod.load,
  gateway: { engine: "bounded", cpu: 4, memory: "4096Mi", haFloor: 3 },
  database: prod.database,
  nginx: prod.nginx,
  calibration: measured(150),
};

/** A copy of a document with other values, by dotted path; pins are `given.<path>`, whose dots belong to the path. */
export function changed(base: Raw, changes: Raw): Raw {
  const pins = Object.entries(changes).filter(([path]) => path.startsWith("given."));
  const given = Object.fromEntries(pins.map(([path, value]) => [path.slice("given.".length), value]));
  let document = base;
  for (const [path, value] of Object.entries(changes))
    if (!path.startsWith("given.")) document = withValue(document, path, value);
  const before = base.given;
  return pins.length === 0
    ? document
    : { ...document, given: { ...(typeof before === "object" ? before : {}), ...given } };
}

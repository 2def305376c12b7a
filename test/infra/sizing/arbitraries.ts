/**
 * Sizing inputs as a person may write them, generated from the declarations: the whole legal space, a plausible part of it, and
 * documents with one thing wrong. Everything is plain data as a YAML parser would hand it over.
 */
import fc from "fast-check";
import type { Declarations, Environment, Field } from "../../../infra/sizing/field.ts";
import { fallbackOf, isField, isGroup, listFields } from "../../../infra/sizing/field.ts";
import { declarations } from "../../../infra/sizing/input.ts";

export type Raw = { readonly [key: string]: unknown };

export const fields: ReadonlyMap<string, Field> = listFields(declarations);
export const environments: readonly Environment[] = ["dev", "prod"];

/** What a load test may have left behind; rates over the whole range unless one is asked for. */
export function calibrations(rate: fc.Arbitrary<number> = logUniform(0.01, 10_000_000)): fc.Arbitrary<Raw> {
  const required = { measuredAt: fc.constant("2026-11-20T10:00:00Z"), version: fc.constant("0.1.0") };
  const machine = fc.constant({ cpu: "a processor", cores: 8, memoryMiB: 16_384, runtime: "v26.9.0" });
  const load = fc.constant({
    profile: "step",
    era: "modern",
    mix: { "tools/call": 0.8, "tools/list": 0.2 },
    requests: 100_000,
    errorShare: 0,
  });
  return fc.record(
    {
      ...required,
      engine: fc.constantFrom("fastify", "bounded"),
      machine,
      load,
      rpsPerWorker: rate,
      bytesPerRequest: logWhole(1, 1_073_741_824),
      bytesPerSession: logWhole(0, 1_000_000),
      workerBaseMiB: logWhole(1, 4096),
      coldStartS: logUniform(0.01, 3600),
    },
    { requiredKeys: ["measuredAt", "version", "engine", "machine", "load", "rpsPerWorker"] },
  );
}

/** Uniform in the logarithm, so that every order of magnitude is met as often; both ends are met too. */
export function logUniform(least: number, greatest: number): fc.Arbitrary<number> {
  const floor = least > 0 ? least : Math.min(1e-3, greatest);
  const span = Math.log(greatest / floor);
  const inside = fc
    .noBias(fc.integer({ min: 0, max: 1_000_000 }))
    .map((part) => part / 1_000_000)
    .map((share) => Math.min(greatest, Math.max(floor, Number((floor * Math.exp(share * span)).toPrecision(6)))));
  return fc.oneof({ weight: 1, arbitrary: fc.constantFrom(least, greatest) }, { weight: 12, arbitrary: inside });
}

export function logWhole(least: number, greatest: number): fc.Arbitrary<number> {
  return logUniform(least, greatest).map((value) => Math.min(greatest, Math.max(least, Math.round(value))));
}

/** A legal value of a field, written as people write it. */
export function legalValueOf(field: Field): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case "number":
      return logUniform(field.min, field.max);
    case "whole":
      return logWhole(field.min, field.max);
    case "workers":
      return fc.oneof(fc.constant("auto"), logWhole(field.min, field.max));
    case "cores":
      return fc.oneof(
        logUniform(field.min, field.max),
        logWhole(Math.ceil(field.min * 1000), field.max * 1000).map((milli) => `${milli}m`),
      );
    case "memory":
      return logWhole(field.min, field.max).map((mebibytes) =>
        mebibytes % 1024 === 0 ? `${mebibytes / 1024}Gi` : `${mebibytes}Mi`,
      );
    case "boolean":
      return fc.boolean();
    case "choice":
    case "version":
      return fc.constantFrom(...field.allowed);
    case "text":
      return fc.constantFrom("EUR", "USD", "CHF");
  }
}

export function isRequired(field: Field): boolean {
  return field.isOptional !== true && fallbackOf(field, "dev") === undefined;
}

function documentOf(declared: Declarations): fc.Arbitrary<Raw> {
  const parts = Object.entries(declared).map(([name, part]): readonly [string, fc.Arbitrary<unknown>, boolean] => {
    if (isField(part)) return [name, legalValueOf(part), isRequired(part)];
    const inner = isGroup(part) ? part.group : part;
    return [name, documentOf(inner), !isGroup(part) && hasRequired(inner)];
  });
  return fc.record(Object.fromEntries(parts.map(([name, arbitrary]) => [name, arbitrary])), {
    requiredKeys: parts.flatMap(([name, , required]) => (required ? [name] : [])),
  });
}

function hasRequired(declared: Declarations): boolean {
  return Object.values(declared).some((part) =>
    isField(part) ? isRequired(part) : !isGroup(part) && hasRequired(part),
  );
}

/** Anything that the declarations allow, however absurd together. */
export const legalInputs: fc.Arbitrary<Raw> = fc
  .tuple(documentOf(declarations), fc.option(calibrations(), { nil: undefined }))
  .map(([raw, calibration]) => (calibration === undefined ? raw : { ...raw, calibration }));

/** Deployments that somebody might run; most of their plans hold. */
export const plausibleInputs: fc.Arbitrary<Raw> = fc
  .record({
    environment: fc.constantFrom(...environments),
    rate: logUniform(50, 4000),
    peakRps: logUniform(1, 5000),
    latency: logUniform(5, 500),
    queries: logUniform(0.01, 2),
    transaction: logUniform(0.5, 10),
    users: logWhole(1, 20_000),
    streams: logWhole(0, 5000),
    sessions: logWhole(0, 10_000),
    zones: fc.integer({ min: 1, max: 3 }),
    cpu: fc.constantFrom(1, 2, 4, 8),
    engine: fc.constantFrom("fastify", "bounded"),
    databaseCpu: fc.constantFrom(4, 8, 16, 32, 64),
    instances: fc.integer({ min: 1, max: 4 }),
    mode: fc.constantFrom("pgbouncer", "pgbouncer", "pgbouncer", "direct"),
    nginx: fc.integer({ min: 2, max: 5 }),
    version: fc.constantFrom(15, 16, 17, 18),
  })
  .chain((drawn) =>
    calibrations(fc.constant(drawn.rate)).map((calibration) => ({
      environment: drawn.environment,
      load: {
        peakRps: drawn.peakRps,
        meanLatencyMs: drawn.latency,
        dbQueriesPerRequest: drawn.queries,
        dbTxMs: drawn.transaction,
        dbCpuMs: Number((drawn.transaction / 5).toPrecision(3)),
        concurrentUsers: drawn.users,
        sseStreams: drawn.streams,
        statefulSessions: drawn.sessions,
        zones: drawn.zones,
      },
      gateway: { engine: drawn.engine, cpu: drawn.cpu, memory: `${drawn.cpu * 2048}Mi` },
      database: {
        mode: drawn.mode,
        pgbouncer: { instances: drawn.instances },
        postgres: { version: drawn.version, cpu: drawn.databaseCpu, memory: `${drawn.databaseCpu * 4}Gi` },
      },
      nginx: { replicas: drawn.nginx },
      // What one worker needs besides heap, and when it is up, vary far more in `legalInputs`.
      calibration: { ...calibration, engine: drawn.engine, workerBaseMiB: 148, bytesPerRequest: 65_536, coldStartS: 5 },
    })),
  );

/** The value at a dotted path, undefined where there is none. */
export function valueAt(document: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((part, name) => (isRaw(part) ? part[name] : undefined), document);
}

/** A copy with another value at a path; undefined takes the key away. */
export function withValue(document: Raw, path: string, value: unknown): Raw {
  const [name = "", ...rest] = path.split(".");
  if (rest.length > 0) {
    const inner = document[name];
    return { ...document, [name]: withValue(isRaw(inner) ? inner : {}, rest.join("."), value) };
  }
  const { [name]: _gone, ...others } = document;
  return value === undefined ? others : { ...others, [name]: value };
}

export function isRaw(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every number, text and flag of a document by dotted path. */
export function leavesOf(document: unknown, prefix = ""): ReadonlyMap<string, number | string | boolean> {
  const found = new Map<string, number | string | boolean>();
  if (!isRaw(document)) return found;
  for (const [name, part] of Object.entries(document)) {
    const path = `${prefix}${name}`;
    if (typeof part === "number" || typeof part === "string" || typeof part === "boolean") found.set(path, part);
    else for (const [inner, leaf] of leavesOf(part, `${path}.`)) found.set(inner, leaf);
  }
  return found;
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isSettingName } from "../../../contract/settings.ts";
import type { Family } from "../../../infra/from-env/family.ts";
import { words } from "../../../infra/from-env/family.ts";
import { knownNames, meaningOf, nearestKnown } from "../../../infra/from-env/names.ts";
import { accessFamilies } from "../../../infra/from-env/names-access.ts";
import { featureFamilies } from "../../../infra/from-env/names-features.ts";
import { observedFamilies } from "../../../infra/from-env/names-observed.ts";
import { knobFamilies, processFamilies } from "../../../infra/from-env/names-process.ts";
import { protectionFamilies } from "../../../infra/from-env/names-protection.ts";
import { flagFamilies, serverFamilies } from "../../../infra/from-env/names-servers.ts";
import { renamings } from "../../../infra/from-env/renamed.ts";
import { gatewaySized, poolerSized, postgresSized, redisSized, serviceSized } from "../../../infra/from-env/sized.ts";
import { inputFields, planLeaves } from "../../../infra/sizing/index.ts";

/** Every setting that ContextForge 1.0.8 declares. */
const published = words(readFileSync(join(import.meta.dirname, "names-1.0.8.txt"), "utf8"));
const gatewayFamilies: readonly Family[] = [
  accessFamilies,
  protectionFamilies,
  featureFamilies,
  observedFamilies,
  processFamilies,
  knobFamilies,
].flatMap((group) => Object.values<Family>(group));
const allFamilies: readonly Family[] = [...gatewayFamilies, ...Object.values<Family>(serverFamilies)];
const gateway = (name: string) => meaningOf({ name, role: "gateway", kind: "environment" }, false);

describe("names of ContextForge 1.0.8", () => {
  it("all 779 have a meaning, and 205 of them are settings or exact aliases here", () => {
    expect(published.length).toBe(779);
    expect(new Set(published).size).toBe(779);
    expect(published.filter((name) => gateway(name) === undefined)).toEqual([]);
    const exact = published.filter((name) => isSettingName(name) || renamings.get(name)?.how === "the same value");
    expect(exact.length).toBe(205);
  });

  it("each is decided once: no name stands in two families or beside a setting, an alias or a number", () => {
    const listed = allFamilies.flatMap(({ names }) => words(names));
    const seen = new Set<string>();
    expect(listed.filter((name) => seen.has(name) || seen.add(name) === undefined)).toEqual([]);
    const decided = (name: string) =>
      isSettingName(name) ||
      renamings.has(name) ||
      Object.hasOwn(gatewaySized, name) ||
      Object.hasOwn(poolerSized, name);
    expect(gatewayFamilies.flatMap(({ names }) => words(names)).filter(decided)).toEqual([]);
  });

  it("every switch of a family is one of its names, and every family says why", () => {
    for (const { because, switchedBy, names } of allFamilies) {
      expect(because).toMatch(/^[a-z].{10,}[^.]$/i);
      if (switchedBy !== undefined) expect(words(names)).toContain(switchedBy);
    }
    expect(Object.values<Family>(flagFamilies).map(({ verdict }) => verdict)).toEqual(["meaningless", "meaningless"]);
  });

  it("every number goes to an input or to a number of the plan", () => {
    const tables = [gatewaySized, poolerSized, postgresSized, redisSized, ...Object.values(serviceSized)];
    const targets = tables.flatMap((table) => Object.values(table)).map(({ to }) => to);
    const exists = (to: string) =>
      to.startsWith("given.") ? planLeaves.has(to.slice("given.".length)) : inputFields.has(to);
    expect(targets.filter((to) => !exists(to))).toEqual([]);
  });
});

describe("names nobody decided about", () => {
  it.each([
    ["DB_POOL_SZIE", "DB_POOL_SIZE"],
    ["GUNICORN_WORKER", "GUNICORN_WORKERS"],
    ["MCPGATEWAY_UI_ENABLE", "MCPGATEWAY_UI_ENABLED"],
    ["REDIS_MAX_CONECTIONS", "REDIS_MAX_CONNECTIONS"],
    ["MAX_CLIENT_CON", "MAX_CLIENT_CONN"],
  ])("%s is probably %s", (name, nearest) => {
    expect(nearestKnown(name)).toBe(nearest);
  });

  it.each([
    "PATH",
    "HOME",
    "LANG",
    "TZ",
    "COMPOSE_PROJECT_NAME",
    "KEYCLOAK_ADMIN",
    "NODE_ENV",
    "ABC",
    "a",
    "",
    "__proto__",
  ])("%s is meant for another program", (name) => {
    expect(nearestKnown(name)).toBeUndefined();
    expect(gateway(name)).toBeUndefined();
  });

  it("a known name at another server is no misspelling of itself", () => {
    expect([...knownNames].filter((name) => nearestKnown(name) !== undefined)).toEqual([]);
  });

  it("members of an object's prototype are no names", () => {
    for (const name of ["constructor", "toString", "hasOwnProperty"])
      for (const role of ["gateway", "pgbouncer", "postgres", "redis"] as const)
        for (const kind of ["environment", "flag"] as const)
          expect(meaningOf({ name, role, kind }, true)).toBeUndefined();
  });
});

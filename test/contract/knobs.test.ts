import { describe, expect, it } from "vitest";
import {
  isOfOtherServer,
  knobOfKey,
  meaninglessKeys,
  meaninglessKnobs,
  processKeys,
  settingKnobs,
} from "../../contract/knobs.ts";
import { isSettingName, settingNames, settingOf } from "../../contract/settings.ts";

/** The variables of the sources' servers, each with the setting that takes its place; undefined where none does. */
const SOURCES: Readonly<Record<string, string | undefined>> = {
  GUNICORN_WORKERS: "WORKERS",
  GRANIAN_WORKERS: "WORKERS",
  GUNICORN_TIMEOUT: "WORKER_TIMEOUT",
  GUNICORN_MAX_REQUESTS: "WORKER_MAX_REQUESTS",
  GUNICORN_MAX_REQUESTS_JITTER: "WORKER_MAX_REQUESTS_JITTER",
  GUNICORN_PRELOAD_APP: "PRELOAD",
  GUNICORN_DEV_MODE: "DEV_RELOAD",
  GRANIAN_DEV_MODE: "DEV_RELOAD",
  GRANIAN_RUNTIME_MODE: "RUNTIME_MODE",
  GRANIAN_RUNTIME_THREADS: "RUNTIME_THREADS",
  GRANIAN_BLOCKING_THREADS: "BLOCKING_THREADS",
  GRANIAN_HTTP: "HTTP_VERSIONS",
  GRANIAN_BACKLOG: "BACKLOG",
  GRANIAN_BACKPRESSURE: "MAX_IN_FLIGHT",
  GRANIAN_HTTP1_BUFFER_SIZE: "HTTP1_BUFFER_SIZE",
  GRANIAN_HTTP1_PIPELINE_FLUSH: "HTTP1_PIPELINE_FLUSH",
  GRANIAN_RESPAWN_FAILED: "WORKER_RESPAWN",
  GRANIAN_LOG_LEVEL: "LOG_LEVEL",
  DISABLE_ACCESS_LOG: "DISABLE_ACCESS_LOG",
  HTTP_SERVER: "HTTP_SERVER",
  GRANIAN_LOOP: undefined,
  GRANIAN_TASK_IMPL: undefined,
  GUNICORN_WORKER_CLASS: undefined,
  TEMPLATES_AUTO_RELOAD: undefined,
};

describe("knobs", () => {
  it.each(Object.entries(SOURCES))("%s has its place", (name, setting) => {
    const found = settingKnobs.find((knob) => knob.setting === name || knob.aliases.includes(name));
    expect([found?.setting, Object.hasOwn(meaninglessKnobs, name)]).toEqual([setting, setting === undefined]);
  });

  it("each name and each key stands once", () => {
    const names = [
      ...settingNames,
      ...settingNames.flatMap((name) => settingOf(name).aliases ?? []),
      ...Object.keys(meaninglessKnobs),
    ];
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
    expect(processKeys.filter((key, at) => processKeys.indexOf(key) !== at)).toEqual([]);
  });

  it("says in a sentence what each does, or why it does nothing", () => {
    for (const { setting, effect } of settingKnobs)
      expect([setting, effect]).toEqual([setting, expect.stringMatching(/^[A-Z`].+\.$/)]);
    for (const because of [...Object.values(meaninglessKnobs), ...Object.values(meaninglessKeys)])
      expect(because).toMatch(/^[a-zA-Z_]+ .*[^.]$/);
  });

  it("names only settings in its reasons", () => {
    const named = Object.values(meaninglessKnobs).flatMap((because) => because.match(/\b[A-Z]+(?:_[A-Z]+)+\b/g) ?? []);
    expect(named.filter((name) => !isSettingName(name))).toEqual([]);
  });

  it.each([
    ["address", "HOST"],
    ["host", "HOST"],
    ["threads", "BLOCKING_THREADS"],
    ["blocking-threads", "BLOCKING_THREADS"],
    ["log-access", "DISABLE_ACCESS_LOG"],
    ["reload", "DEV_RELOAD"],
  ])("the key %s is %s", (key, setting) => {
    expect(knobOfKey(key)?.setting).toBe(setting);
  });

  it.each([
    ["GUNICORN_WORKERS", "WORKERS", "bounded", true],
    ["GUNICORN_WORKERS", "WORKERS", "fastify", false],
    ["GRANIAN_WORKERS", "WORKERS", "fastify", true],
    ["GUNICORN_TIMEOUT", "WORKER_TIMEOUT", "bounded", false],
    ["GRANIAN_BACKPRESSURE", "MAX_IN_FLIGHT", "fastify", false],
    ["WORKERS", "WORKERS", "bounded", false],
  ] as const)("%s for %s is of the other server with %s: %s", (alias, setting, engine, isOther) => {
    expect(isOfOtherServer(alias, setting, engine)).toBe(isOther);
  });
});

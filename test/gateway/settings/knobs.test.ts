import { describe, expect, it } from "vitest";
import { Fault } from "../../../contract/errors.ts";
import { meaninglessKnobs, settingKnobs } from "../../../contract/knobs.ts";
import { loadSettings } from "../../../gateway/settings/index.ts";

const load = (env: Readonly<Record<string, string>>) => loadSettings({ env, envFile: false, directory: "/srv" });

function problemsOf(env: Readonly<Record<string, string>>): unknown {
  try {
    load(env);
    return [];
  } catch (error) {
    return error instanceof Fault ? error.data : error;
  }
}

describe("a knob of the sources' servers", () => {
  it.each(Object.entries(meaninglessKnobs))("%s is told to have no meaning", (name, because) => {
    expect(load({ [name]: "anything" }).warnings).toEqual([`${name} (environment) has no meaning here: ${because}`]);
  });

  it.each(settingKnobs.filter(({ engines }) => engines === "bounded").map(({ setting }) => setting))(
    "%s is told to be for bounded where fastify runs",
    (setting) => {
      const value = setting === "HTTP1_PIPELINE_FLUSH" ? "true" : setting === "RUNTIME_MODE" ? "mt" : "2";
      expect(load({ [setting]: value }).warnings).toEqual([
        `${setting} (environment) has no effect with HTTP_SERVER=fastify: it is for bounded`,
      ]);
      expect(load({ [setting]: value, HTTP_SERVER: "bounded" }).warnings).toEqual([]);
    },
  );

  it.each([
    ["GUNICORN_WORKER", "GUNICORN_WORKERS"],
    ["GRANIAN_BACKPRESURE", "GRANIAN_BACKPRESSURE"],
    ["GRANIAN_HTTP1_BUFFER", "GRANIAN_HTTP1_BUFFER_SIZE"],
    ["WORKER_TIMOUT", "WORKER_TIMEOUT"],
  ])("%s is refused with %s as the nearest", (name, nearest) => {
    expect(problemsOf({ [name]: "1" })).toEqual([
      `${name} is no setting of this gateway; the nearest is ${nearest} (environment)`,
    ]);
  });

  it("tells the variable, the value, the range and the place of one bad value", () => {
    expect(problemsOf({ GUNICORN_WORKERS: "many" })).toEqual([
      'GUNICORN_WORKERS is "many", it has to be a whole number from 1 to 256, or auto (environment)',
    ]);
    expect(problemsOf({ HTTP_SERVER: "granian", GRANIAN_BACKPRESSURE: "-1" })).toEqual([
      'GRANIAN_BACKPRESSURE is "-1", it has to be a whole number from 0 to 1000000 (environment)',
    ]);
  });
});

describe("an environment for both servers", () => {
  const both = { GUNICORN_WORKERS: "8", GRANIAN_WORKERS: "16", GUNICORN_TIMEOUT: "600", GRANIAN_BACKPRESSURE: "64" };

  it.each([
    ["gunicorn", 8, "GRANIAN_WORKERS", "fastify"],
    ["granian", 16, "GUNICORN_WORKERS", "bounded"],
  ])("is read for %s", (server, workers, ignored, engine) => {
    const { settings, warnings } = load({ ...both, HTTP_SERVER: server });
    expect([settings.WORKERS, settings.WORKER_TIMEOUT, settings.MAX_IN_FLIGHT]).toEqual([workers, 600, 64]);
    expect(warnings).toContain(
      `${ignored} (environment) is of the other server and is not read with HTTP_SERVER=${engine}; WORKERS is for both`,
    );
  });

  it("does not let the other server's name stand alone for a value", () => {
    const { settings, provenance } = load({ HTTP_SERVER: "granian", GUNICORN_WORKERS: "8" });
    expect([settings.WORKERS, provenance.WORKERS]).toEqual([1, "default"]);
  });
});

describe("settings that need one another", () => {
  const tls = { TLS_CERT_FILE: "cert.pem", TLS_KEY_FILE: "key.pem" };

  it.each([
    [{ TLS_CERT_FILE: "cert.pem" }, ["TLS_CERT_FILE is set and TLS_KEY_FILE is not, TLS needs both (environment)"]],
    [{ TLS_KEY_FILE: "key.pem" }, ["TLS_KEY_FILE is set and TLS_CERT_FILE is not, TLS needs both (environment)"]],
    [
      { ...tls, TLS_CLIENT_CERTIFICATE: "required" },
      ['TLS_CLIENT_CERTIFICATE is "required", it has to be none where TLS_CLIENT_CA_FILE is not set (environment)'],
    ],
    [
      { TLS_CLIENT_CERTIFICATE: "optional", TLS_CLIENT_CA_FILE: "ca.pem" },
      [
        'TLS_CLIENT_CERTIFICATE is "optional", it has to be none without TLS: TLS_CERT_FILE and TLS_KEY_FILE are not set (environment)',
      ],
    ],
    [{ ...tls, TLS_CLIENT_CERTIFICATE: "required", TLS_CLIENT_CA_FILE: "ca.pem" }, []],
  ])("%o", (env, problems) => {
    expect(problemsOf(env)).toEqual(problems);
  });

  it.each([
    [
      { ...tls, TLS_CLIENT_CA_FILE: "ca.pem" },
      "TLS_CLIENT_CA_FILE (environment) has no effect: TLS_CLIENT_CERTIFICATE is none",
    ],
    [
      { WORKER_MAX_REQUESTS_JITTER: "5" },
      "WORKER_MAX_REQUESTS_JITTER (environment) has no effect: WORKER_MAX_REQUESTS is 0",
    ],
    [
      { HTTP_SERVER: "bounded", RUNTIME_MODE: "st", RUNTIME_THREADS: "2" },
      "RUNTIME_THREADS (environment) has no effect: RUNTIME_MODE is st",
    ],
    [
      { HTTP1_BUFFER_SIZE: "512KiB" },
      "HTTP1_BUFFER_SIZE (environment) holds 524288 bytes, so that not every body of MAX_BODY_BYTES (4194304) is taken over HTTP/1.1",
    ],
  ])("%o is warned of", (env, warning) => {
    expect(load(env).warnings).toEqual([warning]);
  });
});

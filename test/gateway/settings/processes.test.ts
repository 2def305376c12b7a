import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Fault } from "../../../contract/errors.ts";
import { knobOfKey, meaninglessKeys, processKeys } from "../../../contract/knobs.ts";
import type { SettingName } from "../../../contract/settings.ts";
import { loadSettings } from "../../../gateway/settings/index.ts";

const GRANIAN = "django_prodserver.backends.granian.GranianASGIServer";
const GUNICORN = "django_prodserver.backends.gunicorn.GunicornServer";

function file(content: unknown, name = "processes.yaml"): string {
  const path = join(mkdtempSync(join(tmpdir(), "processes-")), name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

function loadProcess(content: unknown, env: Readonly<Record<string, string>> = {}, cli = {}, name = "web") {
  const path = file(content);
  return {
    path,
    ...loadSettings({ env: { PROCESSES_FILE: path, ...env }, cli, envFile: false, process: { name, parse } }),
  };
}

const web = (args: Readonly<Record<string, unknown>>, backend = GRANIAN) => ({ web: { BACKEND: backend, ARGS: args } });

/** Each problem with the path of the file cut away. */
function problemsOf(content: unknown, name = "web"): unknown {
  const path = file(content);
  try {
    loadSettings({ env: { PROCESSES_FILE: path }, envFile: false, process: { name, parse } });
    return [];
  } catch (error) {
    if (!(error instanceof Fault) || !Array.isArray(error.data)) throw error;
    return error.data.map((problem) => String(problem).replaceAll(path, "processes.yaml"));
  }
}

/** A value of every key that is no default, as the documents write it, and what it means. */
const VALUES: Readonly<Record<string, readonly [unknown, SettingName, unknown]>> = {
  address: ["0.0.0.0", "HOST", "0.0.0.0"],
  host: ["::", "HOST", "::"],
  port: ["8000", "PORT", 8000],
  workers: ["4", "WORKERS", 4],
  threads: ["2", "BLOCKING_THREADS", 2],
  "blocking-threads": [2, "BLOCKING_THREADS", 2],
  "runtime-threads": ["8", "RUNTIME_THREADS", 8],
  "runtime-mode": ["mt", "RUNTIME_MODE", "mt"],
  backlog: ["1024", "BACKLOG", 1024],
  http: ["2", "HTTP_VERSIONS", "2"],
  "http1-buffer-size": [8388608, "HTTP1_BUFFER_SIZE", 8388608],
  "http1-pipeline-flush": ["False", "HTTP1_PIPELINE_FLUSH", false],
  "log-level": ["critical", "LOG_LEVEL", "error"],
  "log-access": ["True", "DISABLE_ACCESS_LOG", false],
  "access-log": [true, "DISABLE_ACCESS_LOG", false],
  websockets: ["False", "WEBSOCKETS", false],
  "url-path-prefix": ["/mcp-gateway", "URL_PATH_PREFIX", "/mcp-gateway"],
  reload: ["True", "DEV_RELOAD", true],
  timeout: [600, "WORKER_TIMEOUT", 600],
  "graceful-timeout": ["45", "SHUTDOWN_GRACE", 45],
  "timeout-graceful-shutdown": [45, "SHUTDOWN_GRACE", 45],
  "keep-alive": [5, "KEEP_ALIVE_TIMEOUT", 5],
  keepalive: [5, "KEEP_ALIVE_TIMEOUT", 5],
  "timeout-keep-alive": [5, "KEEP_ALIVE_TIMEOUT", 5],
  "max-requests": [1000, "WORKER_MAX_REQUESTS", 1000],
  "limit-max-requests": [1000, "WORKER_MAX_REQUESTS", 1000],
  "respawn-failed-workers": ["False", "WORKER_RESPAWN", false],
  preload: ["False", "PRELOAD", false],
  "preload-app": [false, "PRELOAD", false],
  backpressure: ["64", "MAX_IN_FLIGHT", 64],
  "limit-concurrency": [64, "MAX_IN_FLIGHT", 64],
};
/** Together with what they need. */
const TOGETHER = ["ssl-cert", "ssl-certificate", "ssl-certfile", "certfile", "ssl-key", "ssl-keyfile", "keyfile"];
const LATER = ["ssl-ca", "ssl-ca-certs", "ca-certs", "max-requests-jitter", "bind"];

describe("the arguments of a named process", () => {
  it("are all tried here", () => {
    const tried = [...Object.keys(VALUES), ...TOGETHER, ...LATER, ...Object.keys(meaninglessKeys)];
    expect(tried.toSorted()).toEqual(processKeys.toSorted());
  });

  for (const backend of [GRANIAN, GUNICORN])
    it.each(Object.entries(VALUES))(
      `%s means a setting with ${backend.split(".").at(-1)}`,
      (key, [value, name, means]) => {
        const { settings, provenance, path, warnings } = loadProcess(web({ [key]: value }, backend));
        expect([settings[name], provenance[name]]).toEqual([means, `${path}, web: ${key}`]);
        expect(knobOfKey(key)?.setting).toBe(name);
        const isIdle = backend === GUNICORN && knobOfKey(key)?.engines === "bounded";
        expect(warnings).toEqual(
          isIdle ? [`${name} (${path}, web: ${key}) has no effect with HTTP_SERVER=fastify: it is for bounded`] : [],
        );
      },
    );

  it.each([
    ["ssl-cert", "ssl-key"],
    ["ssl-certificate", "ssl-keyfile"],
    ["ssl-certfile", "keyfile"],
    ["certfile", "ssl-key"],
  ])("%s and %s are the files of TLS", (cert, key) => {
    const { settings } = loadProcess(web({ [cert]: "/path/to/cert.pem", [key]: "/path/to/key.pem" }));
    expect([settings.TLS_CERT_FILE, settings.TLS_KEY_FILE]).toEqual(["/path/to/cert.pem", "/path/to/key.pem"]);
  });

  it.each(["ssl-ca", "ssl-ca-certs", "ca-certs"])("%s is the authority of clients", (key) => {
    const args = { [key]: "/ca.pem", "ssl-cert": "/c.pem", "ssl-key": "/k.pem" };
    expect(loadProcess(web(args), { TLS_CLIENT_CERTIFICATE: "required" }).settings.TLS_CLIENT_CA_FILE).toBe("/ca.pem");
  });

  it("max-requests-jitter goes with max-requests", () => {
    const { settings, warnings } = loadProcess(web({ "max-requests": "1000", "max-requests-jitter": "100" }));
    expect([settings.WORKER_MAX_REQUESTS_JITTER, warnings]).toEqual([100, []]);
  });

  it.each([
    ["0.0.0.0:8000", "0.0.0.0", 8000],
    ["[::1]:8000", "::1", 8000],
    [":8000", "0.0.0.0", 8000],
    ["gateway.internal", "gateway.internal", 4444],
  ])("bind %s", (bind, host, port) => {
    const { settings } = loadProcess(web({ bind }, GUNICORN));
    expect([settings.HOST, settings.PORT]).toEqual([host, port]);
  });

  it.each(Object.entries(meaninglessKeys))("%s is told to have no meaning", (key, because) => {
    const { warnings, path } = loadProcess(web({ [key]: "anything" }));
    expect(warnings).toEqual([`${key} (${path}, web: ${key}) has no meaning here: ${because}`]);
  });

  it("may be written with underscores, be null or be missing", () => {
    const { settings } = loadProcess(web({ log_level: "warn", "url-path-prefix": null, "ssl-cert": "None" }));
    expect([settings.LOG_LEVEL, settings.URL_PATH_PREFIX, settings.TLS_CERT_FILE]).toEqual(["warn", "", undefined]);
    expect(loadProcess({ web: { BACKEND: "bounded" } }).settings.HTTP_SERVER).toBe("bounded");
  });
});

describe("a file of processes", () => {
  it.each([
    [GRANIAN, "bounded"],
    ["django_prodserver.backends.granian.GranianWSGIServer", "bounded"],
    ["django_prodserver.backends.uvicorn.UvicornServer", "fastify"],
    [GUNICORN, "fastify"],
    ["fastify", "fastify"],
    ["bounded", "bounded"],
  ])("%s is the engine %s", (backend, engine) => {
    const { settings, provenance, path } = loadProcess(web({}, backend));
    expect([settings.HTTP_SERVER, provenance.HTTP_SERVER]).toEqual([engine, `${path}, web: BACKEND`]);
  });

  it("is YAML or JSON, with the documents' outer name or without", () => {
    const yaml = `PRODUCTION_PROCESSES:
  web:
    BACKEND: ${GRANIAN}
    ARGS: { address: 0.0.0.0, port: "8000", workers: 4, log-access: False }
`;
    const json = JSON.stringify({ web: { BACKEND: GRANIAN, ARGS: { address: "0.0.0.0", port: 8000, workers: "4" } } });
    for (const text of [yaml, json]) {
      const { settings } = loadProcess(text);
      expect([settings.HOST, settings.PORT, settings.WORKERS, settings.DISABLE_ACCESS_LOG]).toEqual([
        "0.0.0.0",
        8000,
        4,
        true,
      ]);
    }
  });

  it("stands in the working directory unless it is named", () => {
    const path = file(web({ port: 8001 }), "processes.json");
    const directory = join(path, "..");
    const { settings } = loadSettings({ env: {}, directory, process: { name: "web", parse } });
    expect([settings.PORT, settings.PROCESSES_FILE]).toEqual([8001, undefined]);
  });

  it("is weaker than the command line and the environment, and stronger than a plan", () => {
    const args = { port: 1, workers: 2, backlog: 3 };
    const path = file(web(args));
    const { settings, provenance } = loadSettings({
      env: { PROCESSES_FILE: path, GRANIAN_WORKERS: "20", PORT: "10" },
      cli: { PORT: "100" },
      envFile: false,
      process: { name: "web", parse },
      planned: { BACKLOG: "300", MAX_STREAMS: "30" },
    });
    expect([settings.PORT, settings.WORKERS, settings.BACKLOG, settings.MAX_STREAMS]).toEqual([100, 20, 3, 30]);
    expect([provenance.PORT, provenance.WORKERS, provenance.BACKLOG, provenance.MAX_STREAMS]).toEqual([
      "command line",
      "environment (GRANIAN_WORKERS)",
      `${path}, web: backlog`,
      "plan of this machine",
    ]);
  });

  it.each([
    [web({ worker: 4 }), ['"worker" is no argument of a process; the nearest is workers (processes.yaml, web)']],
    [
      web({ "log-acess": true }),
      ['"log-acess" is no argument of a process; the nearest is log-access (processes.yaml, web)'],
    ],
    [
      web({ workers: "many" }),
      ['WORKERS is "many", it has to be a whole number from 1 to 256, or auto (processes.yaml, web: workers)'],
    ],
    [
      web({ "log-access": "perhaps" }),
      [
        'DISABLE_ACCESS_LOG is "perhaps", it has to be true or false (1/0, yes/no, on/off) (processes.yaml, web: log-access)',
      ],
    ],
    [web({ port: [8000] }), ["port is [8000], it has to be text, a number, true or false (processes.yaml, web: port)"]],
    [
      web({ host: "a", address: "b" }),
      ["HOST is said twice (processes.yaml, web: host; processes.yaml, web: address)"],
    ],
    [
      web({ bind: "0.0.0.0:1", port: 2 }),
      ["PORT is said twice (processes.yaml, web: bind; processes.yaml, web: port)"],
    ],
    [web({ bind: "a:b:c" }), ['bind is "a:b:c", it has to be <address>:<port> (processes.yaml, web: bind)']],
    [
      { web: { BACKEND: "granian", ARGS: {} } },
      [
        `BACKEND is "granian", it has to be one of fastify, bounded, ${GRANIAN}, django_prodserver.backends.granian.GranianWSGIServer, django_prodserver.backends.uvicorn.UvicornServer, ${GUNICORN} (processes.yaml, web)`,
      ],
    ],
    [
      { web: { BACKEND: "bounded", ARG: {} } },
      ['"ARG" is nothing that a process has; the nearest is ARGS (processes.yaml, web)'],
    ],
    [{ wbe: web({}).web }, ['processes.yaml has no process "web"; the nearest is wbe']],
    [{ web: "bounded" }, ["a process has to be a table with BACKEND and ARGS (processes.yaml, web)"]],
    [
      { web: { BACKEND: "bounded", ARGS: [] } },
      ["ARGS is [], it has to be a table of arguments (processes.yaml, web)"],
    ],
    [["web"], ["processes.yaml has to hold a table of processes by name"]],
  ])("%j is refused", (content, problems) => {
    expect(problemsOf(content)).toEqual(problems);
  });

  it("is refused where it is no YAML, or is not there", () => {
    expect(problemsOf("web: [")).toEqual([expect.stringMatching(/^processes\.yaml cannot be read: /)]);
    const find = () => loadSettings({ env: {}, directory: tmpdir(), envFile: false, process: { name: "web", parse } });
    expect(find).toThrow(
      'process "web" is looked up in a file: PROCESSES_FILE, else one of processes.yaml, processes.yml, processes.json',
    );
  });
});

/** Each setting of an engine becomes exactly one of its options. */
import { describe, expect, it } from "vitest";
import { TrustedProxies } from "../../gateway/engine/index.ts";
import { engineOptions } from "../../gateway/engine-options.ts";
import { inFlightLimit, loadSettings } from "../../gateway/settings/index.ts";

const warn = () => undefined;
const settingsOf = (env: Readonly<Record<string, string>>) =>
  loadSettings({ env, envFile: false, directory: "/" }).settings;
const optionsOf = (env: Readonly<Record<string, string>>) => engineOptions(settingsOf(env), false, warn);

describe("engineOptions", () => {
  it("is this where nothing is set", () => {
    expect(optionsOf({})).toEqual({
      host: "127.0.0.1",
      port: 4444,
      headTimeoutMs: 10_000,
      bodyTimeoutMs: 60_000,
      keepAliveMs: 75_000,
      maxHeadBytes: 32_768,
      maxBufferBytes: 4 * 1024 * 1024 + 32_768,
      backlog: 2048,
      reusePort: false,
      httpVersions: "auto",
      tls: undefined,
      webSockets: true,
      trustedProxies: new TrustedProxies([]),
      pathPrefix: "",
      pipelineFlush: true,
      warn,
    });
  });

  it.each([
    ["HOST", "::", "host", "::"],
    ["PORT", "0", "port", 0],
    ["HEAD_TIMEOUT", "3s", "headTimeoutMs", 3000],
    ["BODY_TIMEOUT", "5", "bodyTimeoutMs", 5000],
    ["GUNICORN_KEEP_ALIVE", "5", "keepAliveMs", 5000],
    ["GUNICORN_BACKLOG", "77", "backlog", 77],
    ["GRANIAN_HTTP", "2", "httpVersions", "2"],
    ["GRANIAN_HTTP1_BUFFER_SIZE", "524288", "maxBufferBytes", 524_288],
    ["MAX_BODY_BYTES", "1MiB", "maxBufferBytes", 1024 * 1024 + 32_768],
    ["GRANIAN_HTTP1_PIPELINE_FLUSH", "False", "pipelineFlush", false],
    ["GRANIAN_WEBSOCKETS", "false", "webSockets", false],
    ["GRANIAN_URL_PATH_PREFIX", "/mcp-gateway", "pathPrefix", "/mcp-gateway"],
  ] as const)("%s=%s is %s", (name, text, option, value) => {
    expect(optionsOf({ [name]: text })).toEqual({ ...optionsOf({}), [option]: value });
  });

  it("has TLS where both files are named", () => {
    const files = { TLS_CERT_FILE: "/c.pem", TLS_KEY_FILE: "/k.pem" };
    const plain = { certFile: "/c.pem", keyFile: "/k.pem", clientCaFile: undefined, clientCertificate: "none" };
    expect(optionsOf(files).tls).toEqual(plain);
    expect(optionsOf({ ...files, TLS_CLIENT_CA_FILE: "/ca.pem", TLS_CLIENT_CERTIFICATE: "required" }).tls).toEqual({
      ...plain,
      clientCaFile: "/ca.pem",
      clientCertificate: "required",
    });
  });
});

describe("inFlightLimit", () => {
  it.each([
    [{}, 0],
    [{ HTTP_SERVER: "granian" }, 512],
    [{ HTTP_SERVER: "granian", MAX_IN_FLIGHT: "0" }, 0],
    [{ HTTP_SERVER: "granian", GRANIAN_BACKPRESSURE: "64" }, 64],
    [{ GRANIAN_BACKPRESSURE: "64" }, 64],
  ])("of %o is %i", (env, limit) => {
    const { MAX_IN_FLIGHT, HTTP_SERVER } = settingsOf(env);
    expect(inFlightLimit(MAX_IN_FLIGHT, HTTP_SERVER)).toBe(limit);
  });
});

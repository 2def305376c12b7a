/** What the settings mean to an engine, whichever it is. Part of the composition root. */
import { MAX_HEAD_BYTES } from "../contract/engine-settings.ts";
import type { Settings } from "../contract/settings.ts";
import { type EngineOptions, TrustedProxies } from "./engine/index.ts";

/** `reusePort`: other listeners share the port. */
export function engineOptions(settings: Settings, reusePort: boolean, warn: EngineOptions["warn"]): EngineOptions {
  return {
    host: settings.HOST,
    port: settings.PORT,
    headTimeoutMs: settings.HEAD_TIMEOUT * 1000,
    bodyTimeoutMs: settings.BODY_TIMEOUT * 1000,
    keepAliveMs: settings.KEEP_ALIVE_TIMEOUT * 1000,
    maxHeadBytes: MAX_HEAD_BYTES,
    maxBufferBytes: settings.HTTP1_BUFFER_SIZE ?? MAX_HEAD_BYTES + settings.MAX_BODY_BYTES,
    backlog: settings.BACKLOG,
    reusePort,
    httpVersions: settings.HTTP_VERSIONS,
    tls: tlsOf(settings),
    webSockets: settings.WEBSOCKETS,
    trustedProxies: new TrustedProxies(settings.TRUSTED_PROXIES),
    pathPrefix: settings.URL_PATH_PREFIX,
    pipelineFlush: settings.HTTP1_PIPELINE_FLUSH,
    warn,
  };
}

/** That both files are named together is checked where settings are read. */
function tlsOf(settings: Settings): EngineOptions["tls"] {
  const certFile = settings.TLS_CERT_FILE;
  const keyFile = settings.TLS_KEY_FILE;
  if (certFile === undefined || keyFile === undefined) return undefined;
  return {
    certFile,
    keyFile,
    clientCaFile: settings.TLS_CLIENT_CA_FILE,
    clientCertificate: settings.TLS_CLIENT_CERTIFICATE,
  };
}

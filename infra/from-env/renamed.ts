/** Names that mean a setting of this gateway under another name, and what has to be done to the value. */
import { type SettingName, settingNames, settingOf } from "../../contract/settings.ts";

export type Renaming = {
  readonly setting: SettingName;
  readonly how: string;
  /** Where this name asks for more than the setting does that stands beside it in the file: values in lower case. */
  readonly lostBeside?: { readonly value: string; readonly setting: string; readonly because: string };
};

const STARTUP = "one wait in seconds instead of tries, their interval and its growth";

/** Beyond the aliases, which mean exactly the same: the value has to be written anew. */
const NEARLY: Readonly<Record<string, Renaming>> = {
  MCP_REQUIRE_AUTH: {
    setting: "AUTH_REQUIRED",
    how: "one switch for every route",
    lostBeside: { value: "true", setting: "false", because: "AUTH_REQUIRED is off here, and it is the only switch" },
  },
  MCPGATEWAY_SKIP_MIGRATIONS: { setting: "MIGRATE_ON_START", how: "the opposite value" },
  FEDERATION_TIMEOUT: { setting: "LIST_TIMEOUT", how: "seconds a merged list waits for one upstream" },
  HTTPX_MAX_CONNECTIONS: { setting: "UPSTREAM_CONNECTIONS", how: "per upstream instead of in all" },
  CERT_FILE: { setting: "TLS_CERT_FILE", how: "the same file; SSL is not asked for beside it" },
  KEY_FILE: { setting: "TLS_KEY_FILE", how: "the same file; SSL is not asked for beside it" },
  CA_CERTS: { setting: "TLS_CLIENT_CA_FILE", how: "the same file" },
  CERT_REQS: { setting: "TLS_CLIENT_CERTIFICATE", how: "none, optional or required instead of 0, 1 or 2" },
  STREAMABLE_HTTP_EVENT_TTL: { setting: "REPLAY_TTL", how: "the same value, in seconds" },
  DB_MAX_RETRIES: { setting: "STARTUP_TIMEOUT", how: STARTUP },
  DB_RETRY_INTERVAL_MS: { setting: "STARTUP_TIMEOUT", how: STARTUP },
  DB_MAX_BACKOFF_SECONDS: { setting: "STARTUP_TIMEOUT", how: STARTUP },
  REDIS_MAX_BACKOFF_SECONDS: { setting: "STARTUP_TIMEOUT", how: STARTUP },
};

const aliases: readonly (readonly [string, Renaming])[] = settingNames.flatMap((setting) =>
  (settingOf(setting).aliases ?? []).map((alias): [string, Renaming] => [alias, { setting, how: "the same value" }]),
);

export const renamings: ReadonlyMap<string, Renaming> = new Map([...Object.entries(NEARLY), ...aliases]);

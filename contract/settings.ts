/**
 * The only list of settings, put together from its parts. Names are environment variables; where the documents this project follows have a
 * name for the same thing, it is that name or one of `aliases`. What is not declared here cannot be set, and what is declared is read.
 */

import { accessSettings } from "./access-settings.ts";
import { accountSettings } from "./account-settings.ts";
import { admissionSettings } from "./admission-settings.ts";
import { count, seconds } from "./bounds.ts";
import { cacheSettings } from "./cache-settings.ts";
import { credentialSettings } from "./credential-settings.ts";
import { engineSettings } from "./engine-settings.ts";
import { healthSettings } from "./health-settings.ts";
import { identitySettings } from "./identity-settings.ts";
import { poolSettings } from "./pool-settings.ts";
import { protectionSettings } from "./protection-settings.ts";
import { recordSettings } from "./record-settings.ts";
import { restSettings } from "./rest-settings.ts";
import { retrySettings } from "./retry-settings.ts";
import { sessionSettings } from "./session-settings.ts";
import type { SettingDeclaration } from "./setting-declaration.ts";
import { ssoSettings } from "./sso-settings.ts";
import { storeSettings } from "./store-settings.ts";
import { upstreamSettings } from "./upstream-settings.ts";
import { workerSettings } from "./worker-settings.ts";

export type { DurationUnit, Knob, SettingDeclaration } from "./setting-declaration.ts";

export const settings = {
  ...engineSettings,
  ...workerSettings,
  ...storeSettings,
  ...cacheSettings,
  ...recordSettings,
  ...accessSettings,
  ...accountSettings,
  ...identitySettings,
  ...ssoSettings,
  ...sessionSettings,
  ...upstreamSettings,
  ...restSettings,
  ...credentialSettings,
  ...poolSettings,
  ...healthSettings,
  ...retrySettings,
  // limits and life
  MAX_IN_FLIGHT: {
    ...count("requests", 0, 1000000),
    default: null,
    computed: "no limit with fastify, 512 with bounded",
    aliases: ["BACKPRESSURE", "GRANIAN_BACKPRESSURE"],
    room: "admission",
    description: "Calls that one worker serves at once; one more is refused before its body is read. 0 sets no limit.",
    knob: {
      engines: "both",
      effect: "One request more is answered with 503 before its body is read.",
      keys: ["backpressure", "limit-concurrency"],
    },
  },
  ...admissionSettings,
  ...protectionSettings,
  SHUTDOWN_GRACE: {
    ...seconds(0, 3600),
    default: 30,
    aliases: ["GUNICORN_GRACEFUL_TIMEOUT"],
    room: "engine",
    description: "How long requests that are running may take to end when the gateway stops.",
    knob: {
      engines: "both",
      effect: "What has not ended this long after SIGTERM is cut.",
      keys: ["graceful-timeout", "timeout-graceful-shutdown"],
    },
  },
  READY_CHECK_TIMEOUT: {
    ...seconds(0.1, 60),
    default: 2,
    room: "main",
    description:
      "Longest time that `/ready` waits for the database and for the shared state; shorter than the probe waits for `/ready`.",
  },
  PLAN_FILE: {
    type: "path",
    default: null,
    computed: "none",
    room: "main",
    description:
      "The plan this gateway was deployed with, as `mcp-stack plan --json` prints it; its limits stand beside the load among the metrics.",
  },
  LOG_LEVEL: {
    type: "enum",
    default: "info",
    allowed: ["debug", "info", "warn", "error"],
    synonyms: { warning: "warn", critical: "error" },
    aliases: ["GRANIAN_LOG_LEVEL"],
    room: "telemetry",
    description: "The least severe lines that are written.",
    knob: { engines: "both", effect: "Less severe lines are missing from stderr.", keys: ["log-level"] },
  },
  LOG_FORMAT: {
    type: "enum",
    default: "json",
    allowed: ["json", "text"],
    room: "telemetry",
    description: "JSON lines, or text for people. Logs go to stderr.",
  },
  DISABLE_ACCESS_LOG: {
    type: "boolean",
    default: true,
    room: "main",
    description: "Write no log line per request.",
    knob: {
      engines: "both",
      effect: "With false, a line for each request stands in the log.",
      keys: ["log-access", "access-log"],
      opposite: true,
    },
  },
} as const satisfies Record<string, SettingDeclaration>;

export type SettingName = keyof typeof settings;

type ValueOf<D> = D extends { readonly auto: true }
  ? number | "auto"
  : D extends { readonly type: "integer" | "number" | "duration" | "bytes" }
    ? number
    : D extends { readonly type: "boolean" }
      ? boolean
      : D extends { readonly type: "enum"; readonly allowed: readonly (infer Value)[] }
        ? Value
        : D extends { readonly type: "list" }
          ? readonly string[]
          : string;

/** Parsed settings under their environment names. What has no default is undefined when not set. */
export type Settings = {
  readonly [Name in SettingName]: (typeof settings)[Name]["default"] extends null
    ? ValueOf<(typeof settings)[Name]> | undefined
    : ValueOf<(typeof settings)[Name]>;
};

export const settingNames: readonly SettingName[] = Object.keys(settings).filter(isSettingName);

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settings, name);
}

/** The declaration in its general form. */
export function settingOf(name: SettingName): SettingDeclaration {
  return settings[name];
}

/** Settings whose value is never shown; each can be given as a file too. */
export type SecretName = {
  [Name in SettingName]: (typeof settings)[Name] extends { readonly secret: true } ? Name : never;
}[SettingName];

export const secretNames: readonly SecretName[] = settingNames.filter(isSecretName);

export function isSecretName(name: SettingName): name is SecretName {
  return settingOf(name).secret === true;
}

/** The variable that holds the absolute path of a file with the secret instead of the secret itself. */
export function secretFileName<Name extends SecretName>(name: Name): `${Name}_FILE` {
  return `${name}_FILE`;
}

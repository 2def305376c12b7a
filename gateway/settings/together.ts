/** What no single setting shows: those that need one another, and those that do nothing as the others stand. */
import { MAX_HEAD_BYTES } from "../../contract/engine-settings.ts";
import { settingKnobs } from "../../contract/knobs.ts";
import type { SettingName, Settings } from "../../contract/settings.ts";
import { weightProblems, withoutLimit } from "./admission.ts";
import { identityProblems, idleIdentity } from "./identity.ts";
import { limitProblems } from "./limits.ts";

type Places = Readonly<Record<SettingName, string>>;
export type Together = { readonly problems: readonly string[]; readonly warnings: readonly string[] };

/** `places`: where each value came from, `default` for what nobody set. */
export function judgeTogether(settings: Settings, places: Places): Together {
  return {
    problems: [
      ...tlsProblems(settings, places),
      ...weightProblems(settings, places.FAIR_SHARE_WEIGHTS),
      ...identityProblems(settings, places),
      ...limitProblems(settings, places),
      ...leaderProblems(settings, places),
    ],
    warnings: [...otherEngine(settings, places), ...withoutEffect(settings, places)],
  };
}

function tlsProblems(settings: Settings, places: Places): readonly string[] {
  const { TLS_CERT_FILE, TLS_KEY_FILE, TLS_CLIENT_CA_FILE, TLS_CLIENT_CERTIFICATE } = settings;
  const problems: string[] = [];
  if (TLS_CERT_FILE !== undefined && TLS_KEY_FILE === undefined)
    problems.push(`TLS_CERT_FILE is set and TLS_KEY_FILE is not, TLS needs both (${places.TLS_CERT_FILE})`);
  if (TLS_KEY_FILE !== undefined && TLS_CERT_FILE === undefined)
    problems.push(`TLS_KEY_FILE is set and TLS_CERT_FILE is not, TLS needs both (${places.TLS_KEY_FILE})`);
  if (TLS_CLIENT_CERTIFICATE === "none") return problems;
  const asked = `TLS_CLIENT_CERTIFICATE is "${TLS_CLIENT_CERTIFICATE}"`;
  const place = places.TLS_CLIENT_CERTIFICATE;
  if (TLS_CLIENT_CA_FILE === undefined)
    problems.push(`${asked}, it has to be none where TLS_CLIENT_CA_FILE is not set (${place})`);
  if (TLS_CERT_FILE === undefined && TLS_KEY_FILE === undefined)
    problems.push(`${asked}, it has to be none without TLS: TLS_CERT_FILE and TLS_KEY_FILE are not set (${place})`);
  return problems;
}

/** A holder stops a twentieth before its time; a heartbeat must come before that. */
function leaderProblems(settings: Settings, places: Places): readonly string[] {
  const { REDIS_LEADER_TTL: ttl, REDIS_LEADER_HEARTBEAT_INTERVAL: heartbeat } = settings;
  if (heartbeat < ttl * 0.9) return [];
  const place = places.REDIS_LEADER_HEARTBEAT_INTERVAL;
  return [
    `REDIS_LEADER_HEARTBEAT_INTERVAL is ${heartbeat}, it has to be below nine tenths of REDIS_LEADER_TTL, which is ${ttl} (${place})`,
  ];
}

function otherEngine({ HTTP_SERVER }: Settings, places: Places): readonly string[] {
  return settingKnobs
    .filter(({ setting, engines }) => engines !== "both" && engines !== HTTP_SERVER && places[setting] !== "default")
    .map(
      ({ setting, engines }) =>
        `${setting} (${places[setting]}) has no effect with HTTP_SERVER=${HTTP_SERVER}: it is for ${engines}`,
    );
}

function withoutEffect(settings: Settings, places: Places): readonly string[] {
  const isSet = (name: SettingName) => places[name] !== "default";
  const warnings: string[] = [];
  const idle = (name: SettingName, because: string) => {
    if (isSet(name)) warnings.push(`${name} (${places[name]}) has no effect: ${because}`);
  };
  if (settings.TLS_CLIENT_CERTIFICATE === "none") idle("TLS_CLIENT_CA_FILE", "TLS_CLIENT_CERTIFICATE is none");
  if (settings.WORKER_MAX_REQUESTS === 0) idle("WORKER_MAX_REQUESTS_JITTER", "WORKER_MAX_REQUESTS is 0");
  if (settings.HTTP_SERVER === "bounded" && settings.RUNTIME_MODE === "st")
    idle("RUNTIME_THREADS", "RUNTIME_MODE is st");
  for (const [name, because] of idleIdentity(settings)) idle(name, because);
  for (const name of withoutLimit(settings)) idle(name, "nothing limits what is served at once (MAX_IN_FLIGHT)");
  const buffer = settings.HTTP1_BUFFER_SIZE;
  if (buffer !== undefined && buffer < settings.MAX_BODY_BYTES + MAX_HEAD_BYTES)
    warnings.push(
      `HTTP1_BUFFER_SIZE (${places.HTTP1_BUFFER_SIZE}) holds ${buffer} bytes, so that not every body of MAX_BODY_BYTES (${settings.MAX_BODY_BYTES}) is taken over HTTP/1.1`,
    );
  return warnings;
}

/** Settings of identity that need one another. */
import type { SettingName, Settings } from "../../contract/settings.ts";

type Places = Readonly<Record<SettingName, string>>;

const ENDPOINTS = ["SSO_GENERIC_AUTHORIZATION_URL", "SSO_GENERIC_TOKEN_URL", "SSO_GENERIC_JWKS_URI"] as const;

/** `places`: where each value came from. */
export function identityProblems(settings: Settings, places: Places): readonly string[] {
  const problems: string[] = [];
  const { JWT_ALGORITHM, JWT_PRIVATE_KEY_PATH, JWT_PUBLIC_KEY_PATH } = settings;
  const hasKey = JWT_PRIVATE_KEY_PATH !== undefined || JWT_PUBLIC_KEY_PATH !== undefined;
  if (!JWT_ALGORITHM.startsWith("HS") && !hasKey)
    problems.push(
      `JWT_ALGORITHM is "${JWT_ALGORITHM}", it needs JWT_PRIVATE_KEY_PATH or JWT_PUBLIC_KEY_PATH (${places.JWT_ALGORITHM})`,
    );
  if (!settings.SSO_ENABLED) return problems;
  for (const name of ["SSO_GENERIC_ISSUER", "SSO_GENERIC_CLIENT_ID", "APP_DOMAIN"] as const)
    if (settings[name] === undefined)
      problems.push(`SSO_ENABLED is true and ${name} is not set, signing in needs it (${places.SSO_ENABLED})`);
  if (JWT_PRIVATE_KEY_PATH === undefined && !JWT_ALGORITHM.startsWith("HS") && hasKey)
    problems.push(
      `SSO_ENABLED is true and JWT_PRIVATE_KEY_PATH is not set: a session is a token that is made here (${places.SSO_ENABLED})`,
    );
  const given = ENDPOINTS.filter((name) => settings[name] !== undefined);
  if (given.length > 0 && given.length < ENDPOINTS.length) {
    const missing = ENDPOINTS.filter((name) => settings[name] === undefined);
    problems.push(
      `${given.join(", ")} without ${missing.join(", ")}: all of them take the place of discovery, or none`,
    );
  }
  return problems;
}

/** Settings that do nothing as the others stand, with why. */
export function idleIdentity(settings: Settings): ReadonlyMap<SettingName, string> {
  const idle = new Map<SettingName, string>();
  if (settings.JWT_ALGORITHM.startsWith("HS")) {
    const because = `JWT_ALGORITHM is ${settings.JWT_ALGORITHM}, which takes JWT_SECRET_KEY`;
    idle.set("JWT_PRIVATE_KEY_PATH", because).set("JWT_PUBLIC_KEY_PATH", because);
  }
  if (settings.AUTH_REVOCATION_FAIL === "closed") idle.set("AUTH_REVOCATION_STALE", "AUTH_REVOCATION_FAIL is closed");
  if (settings.TLS_CLIENT_CERTIFICATE === "none") idle.set("TLS_CLIENT_IDENTITY", "TLS_CLIENT_CERTIFICATE is none");
  if (!settings.SSO_ENABLED) {
    const names = ["SSO_GENERIC_ISSUER", "SSO_GENERIC_CLIENT_ID", "SSO_API_TOKEN_AUTH_ENABLED"] as const;
    for (const name of names) idle.set(name, "SSO_ENABLED is false");
  }
  return idle;
}

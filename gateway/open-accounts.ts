/** Who may call, by the settings: the directory and API tokens before the auth room, their REST after it. Part of the composition root. */

import type { RestRoom } from "../contract/rest.ts";
import type { Settings } from "../contract/settings.ts";
import {
  type AccountDirectory,
  bootstrapAdmin,
  createAccounts,
  createArrivals,
  createLogins,
  createPasswords,
  createResetTokens,
  createTokenGuards,
  createTokenVerifier,
  openDirectory,
  type TokenGuards,
} from "./accounts/index.ts";
import { customerOf } from "./admission/index.ts";
import { type Auth, cookiePlace, type Person, type Verifier } from "./auth/index.ts";
import type { Caches } from "./cache/index.ts";
import type { SharedState } from "./coordination/index.ts";
import type { Secrets } from "./settings/index.ts";
import type { Store } from "./store/index.ts";
import type { Teardown } from "./teardown.ts";
import type { Log } from "./telemetry/index.ts";

type Input = {
  readonly settings: Settings;
  readonly secrets: Pick<Secrets, "jwtSecret">;
  readonly store: Store;
  readonly state: SharedState;
  readonly caches: Caches;
  readonly log: Log;
  readonly teardown: Teardown;
};

export type Callers = {
  readonly directory: AccountDirectory;
  readonly verifiers: readonly Verifier[];
  readonly guards: TokenGuards;
  /** Of people who signed in at the provider. */
  readonly admit: (person: Person) => Promise<boolean>;
};

/** What the auth room is made with. */
export async function openCallers({ settings, store, state, caches, log, teardown }: Input): Promise<Callers> {
  const directory = await openDirectory({
    store,
    state,
    caches,
    log,
    now: Date.now,
    userTtlMs: settings.AUTH_CACHE_USER_TTL * 1000,
    revocationTtlMs: settings.AUTH_CACHE_REVOCATION_TTL * 1000,
    requireUser: settings.REQUIRE_USER_IN_DB,
    defaults: {
      user: settings.DEFAULT_USER_ROLE,
      teamOwner: settings.DEFAULT_TEAM_OWNER_ROLE,
      teamMember: settings.DEFAULT_TEAM_MEMBER_ROLE,
    },
  });
  teardown.add("directory", () => directory.close());
  const dropped = (tokenId: string) => directory.forget({ tokenId });
  const guards = createTokenGuards({ store, log, dropped, now: Date.now });
  teardown.add("use of API tokens", () => guards.close());
  const found = (record: Parameters<TokenGuards["watch"]>[0]) => guards.watch(record);
  const admit = createArrivals({
    store,
    directory,
    createUsers: settings.SSO_AUTO_CREATE_USERS,
    followGroups: settings.SSO_GENERIC_SYNC_ROLES_ON_LOGIN && settings.SSO_GENERIC_ADMIN_GROUPS.length > 0,
    personalTeams: settings.AUTO_CREATE_PERSONAL_TEAMS,
    personalTeamPrefix: settings.PERSONAL_TEAM_PREFIX,
  });
  return { directory, guards, admit, verifiers: [createTokenVerifier({ store, now: Date.now, found })] };
}

/** Their REST, with the first administrator there. */
export async function openAccounts(
  { settings, secrets, store, log }: Input,
  { directory }: Callers,
  auth: Pick<Auth, "mint">,
  catalogueChanged: () => Promise<void>,
): Promise<RestRoom> {
  const passwords = createPasswords({
    memoryKib: settings.ARGON2ID_MEMORY_COST,
    passes: settings.ARGON2ID_TIME_COST,
    lanes: settings.ARGON2ID_PARALLELISM,
  });
  await bootstrapAdmin({
    store,
    directory,
    passwords,
    log,
    email: settings.PLATFORM_ADMIN_EMAIL,
    fullName: settings.PLATFORM_ADMIN_FULL_NAME,
    password: settings.PLATFORM_ADMIN_PASSWORD,
    mustChange: settings.ADMIN_REQUIRE_PASSWORD_CHANGE_ON_BOOTSTRAP,
    personalTeams: settings.AUTO_CREATE_PERSONAL_TEAMS,
    personalTeamPrefix: settings.PERSONAL_TEAM_PREFIX,
  });
  const logins = createLogins({ store, passwords, now: Date.now, ...loginRules(settings) });
  return createAccounts({
    addressOf: ({ remoteAddress }) => customerOf(remoteAddress),
    store,
    directory,
    passwords,
    logins,
    cookies:
      settings.SSO_ENABLED && settings.APP_DOMAIN !== undefined
        ? cookiePlace(withoutSlash(settings.APP_DOMAIN))
        : undefined,
    resetTokens: createResetTokens(secrets.jwtSecret, settings.PASSWORD_RESET_TOKEN_EXPIRY_MINUTES, Date.now),
    policy: {
      checksCharacters: settings.PASSWORD_POLICY_ENABLED,
      minUser: settings.PASSWORD_MIN_LENGTH_USER,
      minAdmin: settings.PASSWORD_MIN_LENGTH_PRIVILEGED,
      upper: settings.PASSWORD_REQUIRE_UPPERCASE,
      lower: settings.PASSWORD_REQUIRE_LOWERCASE,
      digit: settings.PASSWORD_REQUIRE_NUMBERS,
      special: settings.PASSWORD_REQUIRE_SPECIAL,
      history: settings.PASSWORD_HISTORY_COUNT,
    },
    rules: {
      passwordLogin: settings.EMAIL_AUTH_ENABLED,
      sessionMinutes: settings.SESSION_TOKEN_EXPIRY,
      resetMinutes: settings.PASSWORD_RESET_ENABLED ? settings.PASSWORD_RESET_TOKEN_EXPIRY_MINUTES : 0,
      personalTeams: settings.AUTO_CREATE_PERSONAL_TEAMS,
      personalTeamPrefix: settings.PERSONAL_TEAM_PREFIX,
      teamCreation: settings.ALLOW_TEAM_CREATION,
      joinRequests: settings.ALLOW_TEAM_JOIN_REQUESTS,
      invitations: settings.ALLOW_TEAM_INVITATIONS,
      invitationDays: settings.INVITATION_EXPIRY_DAYS,
      teamsPerUser: settings.MAX_TEAMS_PER_USER,
      membersPerTeam: settings.MAX_MEMBERS_PER_TEAM,
    },
    mint: (request) => auth.mint(request),
    catalogueChanged,
    now: Date.now,
  });
}

const withoutSlash = (url: string) => url.replace(/\/+$/, "");

function loginRules(settings: Settings) {
  const waits = { baseSeconds: settings.LOGIN_DELAY, maxSeconds: settings.ACCOUNT_LOCKOUT_DURATION_MINUTES * 60 };
  return {
    ofAccount: { limit: settings.MAX_FAILED_LOGIN_ATTEMPTS, ...waits },
    ofAddress: { limit: settings.MAX_FAILED_LOGINS_PER_ADDRESS, ...waits },
    minFailureMs: settings.FAILED_LOGIN_MIN_RESPONSE_MS,
    maxAgeDays: settings.PASSWORD_MAX_AGE_DAYS,
  };
}

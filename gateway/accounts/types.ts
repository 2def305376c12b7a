/** What the handlers of the room share. */
import type { GatewayRequest, RequestHead, RestResponse } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import type { CookiePlace } from "../auth/index.ts";
import type { Store } from "../store/index.ts";
import type { AccountDirectory } from "./directory.ts";
import type { Logins } from "./login.ts";
import type { PasswordPolicy } from "./password-policy.ts";
import type { Passwords } from "./passwords.ts";
import type { ResetTokens } from "./reset-tokens.ts";

export type AccountRules = {
  readonly passwordLogin: boolean;
  /** Minutes. */
  readonly sessionMinutes: number;
  /** Minutes; 0 where nobody makes such tokens. */
  readonly resetMinutes: number;
  readonly personalTeams: boolean;
  readonly personalTeamPrefix: string;
  readonly teamCreation: boolean;
  readonly joinRequests: boolean;
  readonly invitations: boolean;
  readonly invitationDays: number;
  readonly teamsPerUser: number;
  readonly membersPerTeam: number;
};

export type AccountsParts = {
  readonly store: Store;
  readonly directory: AccountDirectory;
  readonly passwords: Passwords;
  readonly logins: Logins;
  readonly policy: PasswordPolicy;
  readonly rules: AccountRules;
  readonly resetTokens: ResetTokens;
  /** Where browsers keep the cookie of a session; undefined where nobody signs in at a provider. */
  readonly cookies: CookiePlace | undefined;
  /** Where a request comes from, as far as proxies in front are trusted to say it. */
  readonly addressOf: (head: RequestHead) => string;
  /** A token for this user. */
  readonly mint: (request: { username: string; expMinutes: number }) => Promise<string>;
  /** What the registry holds belongs to others now. */
  readonly catalogueChanged: () => Promise<void>;
  /** Epoch milliseconds. */
  readonly now: () => number;
};

/** One request; `params` are the path's. */
export type Call = {
  readonly params: Readonly<Record<string, string>>;
  readonly request: GatewayRequest;
  readonly principal: Principal;
};
export type Handler = (call: Call) => Promise<RestResponse>;
export type Handlers = Readonly<Record<string, Handler>>;

/** Names about who may call: logins, tokens, users, teams, identities. Callers here bring a signed token and nothing else. */
import type { Family } from "./family.ts";

export const accessFamilies = {
  basicLogin: {
    verdict: "meaningless",
    because:
      "people sign in with email and password or at a provider, programs bring a token; nobody has a password by default",
    instead: "EMAIL_AUTH_ENABLED, PLATFORM_ADMIN_PASSWORD, mcp-stack token",
    names: `DOCS_ALLOW_BASIC_AUTH API_ALLOW_BASIC_AUTH BASIC_AUTH_USER BASIC_AUTH_PASSWORD PUBLIC_REGISTRATION_ENABLED
      PROTECT_ALL_ADMINS DEFAULT_USER_PASSWORD ALLOW_UNAUTHENTICATED_ADMIN`,
  },
  passwords: {
    verdict: "meaningless",
    because:
      "a forgotten password is set anew by an administrator, and no mail is sent; what passwords have to be is said by other names",
    names: `PASSWORD_MIN_LENGTH_SERVICE PASSWORD_CHANGE_ENFORCEMENT_ENABLED DETECT_DEFAULT_PASSWORD_ON_LOGIN
      REQUIRE_PASSWORD_CHANGE_FOR_DEFAULT_PASSWORD PASSWORD_PREVENT_REUSE
      PASSWORD_ERROR_MESSAGE_MAX_LENGTH ACCOUNT_LOCKOUT_NOTIFICATION_ENABLED
      PASSWORD_RESET_RATE_LIMIT PASSWORD_RESET_RATE_WINDOW_MINUTES
      PASSWORD_RESET_INVALIDATE_SESSIONS PASSWORD_RESET_MIN_RESPONSE_MS`,
  },
  mail: {
    verdict: "meaningless",
    because: "no mail is sent",
    names: `SMTP_ENABLED SMTP_HOST SMTP_PORT SMTP_USER SMTP_PASSWORD SMTP_FROM_EMAIL SMTP_FROM_NAME SMTP_USE_TLS SMTP_USE_SSL
      SMTP_TIMEOUT_SECONDS`,
  },
  singleSignOn: {
    verdict: "meaningless",
    because: "people sign in at one OpenID Connect provider, whichever it is, and roles are given here",
    instead: "SSO_ENABLED with SSO_GENERIC_ISSUER and its neighbours",
    names: `SSO_GITHUB_ENABLED SSO_GITHUB_CLIENT_ID SSO_GITHUB_CLIENT_SECRET SSO_GITHUB_ADMIN_ORGS SSO_GOOGLE_ENABLED
      SSO_GOOGLE_CLIENT_ID SSO_GOOGLE_CLIENT_SECRET SSO_GOOGLE_ADMIN_DOMAINS SSO_IBM_VERIFY_ENABLED
      SSO_IBM_VERIFY_CLIENT_ID SSO_IBM_VERIFY_CLIENT_SECRET SSO_IBM_VERIFY_ISSUER SSO_OKTA_ENABLED SSO_OKTA_CLIENT_ID
      SSO_OKTA_CLIENT_SECRET SSO_OKTA_ISSUER SSO_OKTA_SCOPE OKTA_GROUP_MAPPING SSO_KEYCLOAK_ENABLED
      SSO_KEYCLOAK_BASE_URL SSO_KEYCLOAK_PUBLIC_BASE_URL SSO_KEYCLOAK_REALM SSO_KEYCLOAK_CLIENT_ID
      SSO_KEYCLOAK_CLIENT_SECRET SSO_KEYCLOAK_MAP_REALM_ROLES SSO_KEYCLOAK_MAP_CLIENT_ROLES
      SSO_KEYCLOAK_ROLE_MAPPINGS SSO_KEYCLOAK_DEFAULT_ROLE SSO_KEYCLOAK_RESOLVE_TEAM_SCOPE_TO_PERSONAL_TEAM
      SSO_KEYCLOAK_USERNAME_CLAIM SSO_KEYCLOAK_EMAIL_CLAIM SSO_KEYCLOAK_GROUPS_CLAIM SSO_ENTRA_ENABLED
      SSO_ENTRA_CLIENT_ID SSO_ENTRA_CLIENT_SECRET SSO_ENTRA_TENANT_ID SSO_ENTRA_GROUPS_CLAIM SSO_ENTRA_ADMIN_GROUPS
      SSO_ENTRA_ROLE_MAPPINGS SSO_ENTRA_DEFAULT_ROLE SSO_ENTRA_SYNC_ROLES_ON_LOGIN SSO_ENTRA_GRAPH_API_ENABLED
      SSO_ENTRA_GRAPH_API_TIMEOUT SSO_ENTRA_GRAPH_API_MAX_GROUPS SSO_ADFS_ENABLED SSO_ADFS_CLIENT_ID
      SSO_ADFS_CLIENT_SECRET SSO_ADFS_AUTHORIZATION_URL SSO_ADFS_TOKEN_URL SSO_ADFS_ISSUER SSO_ADFS_SCOPE
      SSO_ADFS_DISPLAY_NAME SSO_ADFS_DEFAULT_EMAIL_DOMAIN SSO_GENERIC_ENABLED SSO_GENERIC_ROLE_MAPPINGS
      SSO_GENERIC_DEFAULT_ROLE SSO_PRESERVE_ADMIN_AUTH SSO_AUTO_DISABLE_UNCONFIGURED_PROVIDERS SSO_AUTO_ADMIN_DOMAINS
      SSO_REQUIRE_ADMIN_APPROVAL EXTERNAL_IDENTITY_CACHE_TTL`,
  },
  tokenRules: {
    verdict: "refused",
    because: "tokens carry no environment that could be checked",
    instead: "issue tokens that keep the rule; a new JWT_SECRET_KEY ends all of them at once",
    harmless: ["false"],
    names: "VALIDATE_TOKEN_ENVIRONMENT DERIVE_KEY_PER_ENVIRONMENT",
  },
  tokenClaims: {
    verdict: "meaningless",
    because: "tokens carry no environment",
    names: "EMBED_ENVIRONMENT_IN_TOKENS",
  },
  otherHeader: {
    verdict: "refused",
    because: "a token is read from Authorization only",
    harmless: ["authorization"],
    names: "AUTH_HEADER_NAME",
  },
  loginSessions: {
    verdict: "meaningless",
    because: "a token is valid until it expires; there are no login sessions to refresh or to end",
    instead: "TOKEN_EXPIRY",
    names: `TOKEN_IDLE_TIMEOUT SESSION_MAX_LIFETIME SESSION_REFRESH_RATE_LIMIT SESSION_WARNING_TIME SESSION_REFRESH_BUFFER
      SESSION_ACTIVITY_TRACKING TOKEN_BLOCKLIST_CLEANUP_HOURS TOKEN_USAGE_LOGGING_ENABLED
      TOKEN_LAST_USED_UPDATE_INTERVAL_MINUTES`,
  },
  cookies: {
    verdict: "meaningless",
    because: "no cookie is read or set, so a foreign page has nothing to ride on",
    names: `CSRF_ENABLED CSRF_SECRET_KEY CSRF_TOKEN_NAME CSRF_COOKIE_NAME CSRF_TOKEN_EXPIRY CSRF_COOKIE_SECURE
      CSRF_COOKIE_SAMESITE CSRF_COOKIE_HTTPONLY CSRF_CHECK_REFERER CSRF_ROTATE_ON_LOGIN CSRF_TRUSTED_ORIGINS
      CSRF_EXEMPT_PATHS SECURE_COOKIES COOKIE_SAMESITE CORS_ALLOW_CREDENTIALS`,
  },
  clientAuth: {
    verdict: "meaningless",
    because: "AUTH_REQUIRED decides for every route, and no header of a proxy stands in for a token",
    instead: "AUTH_REQUIRED",
    names: "MCP_CLIENT_AUTH_ENABLED TRUST_PROXY_AUTH TRUST_PROXY_AUTH_DANGEROUSLY PROXY_USER_HEADER",
  },
  teams: {
    verdict: "meaningless",
    because: "teams and roles are made over the API, and invitations are answered by who is signed in",
    names: `MAX_TEAM_MEMBER_SEEDS REQUIRE_EMAIL_VERIFICATION_FOR_INVITES DEFAULT_ADMIN_ROLE
      MCPGATEWAY_BOOTSTRAP_ROLES_IN_DB_ENABLED MCPGATEWAY_BOOTSTRAP_ROLES_IN_DB_FILE`,
  },
  identityForwarding: {
    verdict: "meaningless",
    because:
      "who calls is told to upstreams that ask for it, in headers of one form or as a signed assertion, without attributes",
    instead: "IDENTITY_PROPAGATION_ENABLED and what an upstream says of it",
    names: "IDENTITY_PROPAGATION_MODE IDENTITY_SENSITIVE_ATTRIBUTES",
  },
  oauthClient: {
    verdict: "meaningless",
    because:
      "authorization servers are asked with PKCE (S256) and the resource, and failed requests are not repeated blindly",
    instead: "headers in an upstream's declaration",
    names: `OAUTH_MAX_RETRIES OAUTH_REQUIRE_CONFIGURED_RESOURCE OAUTH_PREFERRED_CODE_CHALLENGE_METHOD
      DCR_AUTO_REGISTER_ON_MISSING_CREDENTIALS DCR_REQUEST_REFRESH_TOKEN_WHEN_UNSUPPORTED`,
  },
  secretStrength: {
    verdict: "meaningless",
    because: "keys below 32 bytes are refused in any case",
    names: "MIN_SECRET_LENGTH REQUIRE_STRONG_SECRETS SENTINEL_VALUES WEAK_VALUES",
  },
  signing: {
    verdict: "refused",
    because: "certificates are neither signed nor checked with Ed25519 keys",
    harmless: ["false"],
    switchedBy: "ENABLE_ED25519_SIGNING",
    names: `ENABLE_ED25519_SIGNING PREV_ED25519_PRIVATE_KEY PREV_ED25519_PUBLIC_KEY ED25519_PRIVATE_KEY ED25519_PUBLIC_KEY`,
  },
} as const satisfies Record<string, Family>;

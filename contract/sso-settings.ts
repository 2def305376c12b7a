/** Settings of single sign-on: one OpenID Connect provider at which people sign in. */
import type { SettingDeclaration } from "./setting-declaration.ts";

export const ssoSettings = {
  SSO_ENABLED: {
    type: "boolean",
    default: false,
    room: "auth",
    description:
      "People sign in at an OpenID Connect provider; needs SSO_GENERIC_ISSUER, SSO_GENERIC_CLIENT_ID and APP_DOMAIN.",
  },
  SSO_GENERIC_PROVIDER_ID: {
    type: "string",
    default: "oidc",
    pattern: "^[a-z0-9-]{1,64}$",
    room: "auth",
    description: "The provider's name in `/auth/sso/login/<id>` and `/auth/sso/callback/<id>`.",
  },
  SSO_GENERIC_DISPLAY_NAME: {
    type: "string",
    default: "Single sign-on",
    max: 100,
    room: "auth",
    description: "What people are told the provider is called.",
  },
  SSO_GENERIC_CLIENT_ID: {
    type: "string",
    default: null,
    computed: "none",
    room: "auth",
    description: "Name of this gateway at the provider.",
  },
  SSO_GENERIC_CLIENT_SECRET: {
    type: "secret",
    default: null,
    computed: "none: a public client, protected by PKCE",
    secret: true,
    room: "auth",
    description: "Secret of this gateway at the provider.",
  },
  SSO_GENERIC_ISSUER: {
    type: "url",
    default: null,
    computed: "none",
    schemes: ["https", "http"],
    room: "auth",
    description: "The provider's issuer, exactly as it calls itself. Its endpoints are found by discovery.",
  },
  SSO_GENERIC_AUTHORIZATION_URL: {
    type: "url",
    default: null,
    computed: "by discovery",
    schemes: ["https", "http"],
    room: "auth",
    description:
      "Where people are sent; with SSO_GENERIC_TOKEN_URL and SSO_GENERIC_JWKS_URI for a provider without discovery.",
  },
  SSO_GENERIC_TOKEN_URL: {
    type: "url",
    default: null,
    computed: "by discovery",
    schemes: ["https", "http"],
    room: "auth",
    description: "Where codes become tokens, for a provider without discovery.",
  },
  SSO_GENERIC_JWKS_URI: {
    type: "url",
    default: null,
    computed: "by discovery",
    schemes: ["https", "http"],
    room: "auth",
    description: "The provider's key set, for a provider without discovery.",
  },
  SSO_GENERIC_USERINFO_URL: {
    type: "url",
    default: null,
    computed: "by discovery",
    schemes: ["https", "http"],
    room: "auth",
    description: "Where claims are asked for that an ID token lacks, for a provider without discovery.",
  },
  SSO_GENERIC_SCOPE: {
    type: "string",
    default: "openid profile email",
    room: "auth",
    description: "Scopes that are asked for, separated by spaces; `openid` among them.",
  },
  SSO_GENERIC_GROUPS_CLAIM: {
    type: "string",
    default: "groups",
    room: "auth",
    description: "Claim with a person's groups; names with dots lead into objects.",
  },
  SSO_GENERIC_ADMIN_GROUPS: {
    type: "list",
    default: [],
    room: "auth",
    description: "Groups whose members are administrators.",
  },
  SSO_GENERIC_SYNC_ROLES_ON_LOGIN: {
    type: "boolean",
    default: true,
    room: "accounts",
    description:
      "Whoever became a user by signing in is an administrator for as long as SSO_GENERIC_ADMIN_GROUPS says so at each sign-in.",
  },
  SSO_AUTO_CREATE_USERS: {
    type: "boolean",
    default: true,
    room: "accounts",
    description: "Who signs in and is no user yet becomes one; otherwise only users are let in.",
  },
  SSO_API_TOKEN_AUTH_ENABLED: {
    type: "boolean",
    default: false,
    room: "auth",
    description: "Accept the provider's access tokens as well, as those of SSO_ISSUERS.",
  },
} as const satisfies Record<string, SettingDeclaration>;

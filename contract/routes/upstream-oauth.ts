/** Routes by which users let the gateway use upstreams for them; paths as other gateways have them. */
import type { Route } from "./route.ts";

const common = { class: "control", cache: "none", body: "none", area: "registry" } as const;

export const upstreamOAuthRoutes: readonly Route[] = [
  {
    ...common,
    id: "oauth.authorize",
    methods: ["GET"],
    path: "/oauth/authorize/{id}",
    auth: "principal",
    permission: "gateways.read",
    summary: "Begin to authorise the gateway at an upstream: a redirect for browsers, the address for others",
  },
  {
    ...common,
    id: "oauth.begin",
    methods: ["GET"],
    path: "/oauth/begin",
    auth: "public",
    summary: "The same by a link that a call's error has shown",
  },
  {
    ...common,
    id: "oauth.callback",
    methods: ["GET", "POST"],
    path: "/oauth/callback",
    auth: "public",
    summary: "Where an authorization server sends the browser back to",
  },
  {
    ...common,
    id: "oauth.status",
    methods: ["GET"],
    path: "/oauth/status/{id}",
    auth: "principal",
    permission: "gateways.read",
    summary: "Whether the caller has authorised the gateway at an upstream",
  },
  {
    ...common,
    id: "oauth.fetchTools",
    methods: ["POST"],
    path: "/oauth/fetch-tools/{id}",
    auth: "principal",
    permission: "gateways.update",
    summary: "Ask an upstream what it lists, with the caller's authorisation",
  },
  {
    ...common,
    id: "oauth.revoke",
    methods: ["DELETE"],
    path: "/oauth/tokens/{id}",
    auth: "principal",
    permission: "gateways.read",
    summary: "Forget the caller's token for an upstream",
  },
];

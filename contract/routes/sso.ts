/** Routes on which people sign in at an OpenID Connect provider. For browsers; nobody is known there yet. */
import type { Route } from "./route.ts";

function sso(id: string, path: string, summary: string): Route {
  return {
    id,
    methods: ["GET"],
    path,
    class: "control",
    auth: "public",
    cache: "none",
    body: "none",
    summary,
    area: "service",
  };
}

export const ssoRoutes: readonly Route[] = [
  sso("sso.providers", "/auth/sso/providers", "Where people can sign in"),
  sso("sso.login", "/auth/sso/login/{id}", "Go to a provider to sign in"),
  sso("sso.callback", "/auth/sso/callback/{id}", "Come back from a provider"),
];

/** Routes of who may call: logging in, users, teams, roles, tokens, and what OAuth clients are told. */
import type { Route } from "./route.ts";

export const accountRoutes: readonly Route[] = [];

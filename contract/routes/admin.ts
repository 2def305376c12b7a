/** Routes of whoever runs the gateway: pools, records, audit. */
import type { Route } from "./route.ts";

export const adminRoutes: readonly Route[] = [];

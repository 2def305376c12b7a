/** openid-client, loaded by the first who needs it: most gateways never do, and a start should not wait for it. */
import { createRequire } from "node:module";
import type * as Oidc from "openid-client";
import { lazily } from "../../../contract/lazily.ts";

export const oidc = lazily((): typeof Oidc => createRequire(import.meta.url)("openid-client"));

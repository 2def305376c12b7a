/** A token as it is kept: what the authorization server gave, and for which configuration of the upstream. */
import { createHash } from "node:crypto";
import * as z from "zod";
import type { AccessToken } from "../personal.ts";
import type { UpstreamTarget } from "../types.ts";

const grantSchema = z.object({
  /** Digest of the configuration it was given for; another one makes it worthless. */
  config: z.string(),
  accessToken: z.string(),
  /** Epoch ms; absent where the server says nothing of it. */
  expiresAt: z.number().optional(),
  /** From when on another one is fetched, epoch ms. */
  refreshAt: z.number().optional(),
  refreshToken: z.string().optional(),
  scope: z.string().optional(),
});
export type Grant = z.infer<typeof grantSchema>;

type TokenAnswer = {
  readonly access_token: string;
  readonly expires_in?: number | undefined;
  readonly refresh_token?: string | undefined;
  readonly scope?: string | undefined;
};

/** A token ends earlier here than at its server: clocks differ, and a request is under way for a while. */
const MARGIN_MS = 10_000;
/** RFC 6750 §2.1, b64token: what else comes could begin another header. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
const MAX_TOKEN = 32_768;

/** Undefined when the answer's token cannot stand in a header. A refresh that brings no refresh token keeps the former (RFC 6749 §6). */
export function grantOf(answer: TokenAnswer, target: UpstreamTarget, now: number, former?: Grant): Grant | undefined {
  const { access_token: accessToken, expires_in: seconds, refresh_token: given, scope } = answer;
  if (!TOKEN.test(accessToken) || accessToken.length > MAX_TOKEN) return undefined;
  const refreshToken = given ?? former?.refreshToken;
  const lifeMs = seconds === undefined ? undefined : seconds * 1000;
  return {
    config: configDigest(target),
    accessToken,
    ...(lifeMs === undefined
      ? {}
      : {
          expiresAt: now + Math.max(lifeMs - MARGIN_MS, lifeMs / 2),
          // A fifth of its life is time enough for a server that is away for a moment.
          refreshAt: now + lifeMs * 0.8 - Math.min(MARGIN_MS, lifeMs * 0.2),
        }),
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(scope === undefined ? {} : { scope }),
  };
}

/** Undefined for what is no grant, or one for another configuration. */
export function parseGrant(text: string, target: UpstreamTarget): Grant | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const found = grantSchema.safeParse(value);
  return found.success && found.data.config === configDigest(target) ? found.data : undefined;
}

/** Says nothing about the secret in it. */
function configDigest({ url = "", oauth }: UpstreamTarget): string {
  const { clientSecret: _, ...config } = oauth ?? {};
  const text = JSON.stringify([url, Object.entries(config).sort()]);
  return createHash("sha256").update(text).digest("base64url").slice(0, 22);
}

/** `now`: epoch ms, as in the grant. */
export function isUsable({ expiresAt }: Grant, now: number): boolean {
  return expiresAt === undefined || expiresAt > now;
}

/** As the room takes it; `offset` brings epoch ms to the room's clock. */
export function accessTokenOf({ accessToken, expiresAt, refreshAt }: Grant, offset: number): AccessToken {
  return {
    header: `Bearer ${accessToken}`,
    usableUntil: (expiresAt ?? Infinity) + offset,
    refreshAt: (refreshAt ?? Infinity) + offset,
  };
}

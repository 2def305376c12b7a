/**
 * Upstream credentials at rest: request headers and environment of one upstream, sealed together and bound to its id, so that
 * a sealed value copied into another row opens to nothing. Sealed under the newest key with every write.
 */
import * as z from "zod";
import { type OutboundSecrets, outboundSecrets } from "./outbound.ts";
import type { Sealing } from "./types.ts";

export type Credentials = {
  readonly headers: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets?: OutboundSecrets;
};

const PURPOSE = "upstream-credentials";
const texts = z.record(z.string(), z.string());
const sealedSchema = z.object({ gateway: z.string(), headers: texts, env: texts, secrets: outboundSecrets.optional() });

/** Null when there is nothing to hide. */
export function sealCredentials(
  sealing: Sealing,
  gatewayId: string,
  { headers, env, secrets = {} }: Credentials,
): string | null {
  const hasSecrets = Object.keys(secrets).length > 0;
  if (Object.keys(headers).length === 0 && Object.keys(env).length === 0 && !hasSecrets) return null;
  return sealing.seal(
    PURPOSE,
    JSON.stringify({ gateway: gatewayId, headers, env, ...(hasSecrets ? { secrets } : {}) }),
  );
}

/** Undefined when it cannot be opened: altered, of another upstream, or its key is no longer in the ring. */
export function openCredentials(sealing: Sealing, gatewayId: string, sealed: string | null): Credentials | undefined {
  if (sealed === null) return { headers: {}, env: {} };
  const plain = sealing.open(PURPOSE, sealed);
  if (plain === undefined) return undefined;
  const found = sealedSchema.safeParse(JSON.parse(plain.toString("utf8")));
  if (!found.success || found.data.gateway !== gatewayId) return undefined;
  const { headers, env, secrets } = found.data;
  return secrets === undefined ? { headers, env } : { headers, env, secrets };
}

/** Access tokens of other issuers. Each is checked with the keys of the issuer that it names, if that is one that is trusted. */
import { identityOfClaims } from "./claims.ts";
import type { TrustedIssuer } from "./issuers.ts";
import { isRejection, readToken, type TokenRules, UNUSABLE, verifyJwt } from "./jwt.ts";
import { KeySet, type KeySetOptions } from "./key-set.ts";
import type { Resources } from "./resources.ts";
import { invalid, type Verifier } from "./verifiers.ts";

export type ForeignOptions = Omit<KeySetOptions, "issuer" | "jwksUri"> & {
  readonly issuers: readonly TrustedIssuer[];
  readonly resources: Resources;
  readonly clockSkewSeconds: number;
};

export function createForeignVerifier(options: ForeignOptions): Verifier {
  const known = new Map(
    options.issuers.map((issuer) => {
      const { issuer: name, jwksUri } = issuer;
      return [
        name,
        { issuer, keys: new KeySet({ ...options, issuer: name, jwksUri }), rules: rulesOf(issuer, options) },
      ];
    }),
  );
  return {
    async verify(token) {
      const read = readToken(token);
      // What cannot be read is refused by whoever is asked last.
      if (isRejection(read)) return undefined;
      const by = typeof read.issuer === "string" ? known.get(read.issuer) : undefined;
      if (by === undefined) return undefined;
      if (!by.rules.algorithms.includes(read.header.alg)) return { ...invalid(UNUSABLE), lasting: true };
      const keys = await by.keys.keysFor(read.header);
      if (keys === undefined) return invalid("the keys of the token's issuer cannot be read now");
      if (keys.length === 0) return invalid("the token is signed with a key that its issuer does not have");
      const payload = await verifyJwt(token, keys, by.rules);
      return isRejection(payload) ? payload : identityOfClaims(payload, by.issuer, options.resources);
    },
    onKeysChanged(listener) {
      for (const { keys } of known.values()) keys.onRemoved(listener);
    },
  };
}

/** The audience is looked at with the claims: it may be one of many, and says what the token opens. */
function rulesOf({ issuer, algorithms }: TrustedIssuer, { clockSkewSeconds, now }: ForeignOptions): TokenRules {
  return { algorithms, audience: undefined, issuer, requiredClaims: ["exp", "aud"], clockSkewSeconds, now };
}

/**
 * Who a client is by its certificate (mTLS). The engine has checked the chain and the dates; here a name becomes a principal. Never an
 * administrator: docs/adr/0053 says why.
 */
import type { ClientCertificate } from "../../contract/http.ts";
import type { Principal } from "../../contract/principal.ts";
import { SAFE_ID } from "./verifiers.ts";

/**
 * Of the first URI (SPIFFE X.509-SVID has exactly one), else the first email address, else the first DNS name, else the common name.
 * A URI says what it is; an email is the id that the same person has by token; the others are marked, so that a machine called
 * like a person is not taken for that person. Undefined when nothing of it can be an id.
 */
export function certificatePrincipal({ names, commonName, expiresAt }: ClientCertificate): Principal | undefined {
  const first = (kind: string) => names.find((name) => name.startsWith(`${kind}:`))?.slice(kind.length + 1);
  const [uri, email, dns] = [first("URI"), first("email"), first("DNS")];
  const id = uri ?? email ?? (dns === undefined ? `cn:${commonName}` : `dns:${dns}`);
  const isNamed = uri !== undefined || email !== undefined || dns !== undefined || commonName !== "";
  if (!isNamed || !SAFE_ID.test(id)) return undefined;
  return Object.freeze({ id, kind: "certificate", admin: false, teams: [], expiresAt });
}

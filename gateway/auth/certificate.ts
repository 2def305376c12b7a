/**
 * Who a client is by its certificate (mTLS). The engine has checked the chain and the dates; here a name becomes an identity. Never an
 * administrator: docs/adr/0053 says why.
 */
import type { ClientCertificate } from "../../contract/http.ts";
import type { Identity } from "./directory.ts";
import { SAFE_ID } from "./verifiers.ts";

export type CertificateName = "auto" | "uri" | "email" | "dns" | "cn";
const AUTO = ["uri", "email", "dns", "cn"] as const;

/**
 * By `auto` of the first URI (SPIFFE X.509-SVID has exactly one), else the first email address, else the first DNS name, else the common
 * name; by another choice of that alone. A URI says what it is; an email is the id that the same person has by token; the others are
 * marked, so that a machine called like a person is not taken for that person. Undefined when nothing of it can be an id.
 */
export function certificateIdentity(client: ClientCertificate, choice: CertificateName): Identity | undefined {
  const kinds = choice === "auto" ? AUTO : [choice];
  const id = kinds.map((kind) => idOf(client, kind)).find((found) => found !== undefined);
  if (id === undefined || !SAFE_ID.test(id)) return undefined;
  return { subject: id, kind: "certificate", claimsAdmin: false, expiresAt: client.expiresAt };
}

function idOf({ names, commonName }: ClientCertificate, kind: (typeof AUTO)[number]): string | undefined {
  const first = (prefix: string) => names.find((name) => name.startsWith(prefix))?.slice(prefix.length);
  if (kind === "uri") return first("URI:");
  if (kind === "email") return first("email:");
  if (kind === "cn") return commonName === "" ? undefined : `cn:${commonName}`;
  const dns = first("DNS:");
  return dns === undefined ? undefined : `dns:${dns}`;
}

/** Targets of requests, and the host that they or the Host field name. */
import type { IncomingMessage } from "node:http";

/** RFC 9112 §3.2.2: what a client sends to a proxy and may send to anybody. */
const ABSOLUTE = /^https?:\/\/([^/?#]+)(.*)$/i;

export type Target = {
  readonly url: string;
  /** Of an absolute target, which the Host field does not say otherwise. */
  readonly host: string | undefined;
};

export function targetOf({ url = "/" }: IncomingMessage): Target {
  if (url.charCodeAt(0) === 0x2f) return { url, host: undefined };
  const [, host, rest = ""] = ABSOLUTE.exec(url) ?? [];
  if (host === undefined) return { url, host };
  return { url: rest.startsWith("/") ? rest : `/${rest}`, host };
}

/** Refused by RFC 9112 §3.2; node:http would read the first of them, and whoever stands in front perhaps the other. */
export function hasSeveralHosts({ rawHeaders }: IncomingMessage): boolean {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? "";
    if (name.length === 4 && name.toLowerCase() === "host") count++;
  }
  return count > 1;
}

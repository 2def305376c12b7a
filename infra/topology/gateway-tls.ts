/** TLS between nginx and the gateway: its files, who checks whom, and how a process beside the gateway asks it. */
import type { Settings } from "../../contract/settings.ts";
import type { Deployment } from "./deployment.ts";
import type { NginxPlace } from "./files/place.ts";
import type { Directories, File, Probe } from "./model.ts";
import { secretMarker } from "./secret-text.ts";
import { SECRETS } from "./secrets.ts";
import type { Site } from "./site.ts";
import { plainFile, secretFile } from "./workload.ts";

type Tls = NonNullable<Deployment["gateway"]["tls"]>;

/** Whoever signs the gateway's certificate, among the files of all who ask it. */
export const AUTHORITY_FILE = "gateway-authority.pem";
const CERTIFICATE = "gateway-certificate.pem";
const KEY = "gateway-key.pem";

/** What the gateway reads, the authority for its own probe among it; nothing where it speaks plain. */
export function tlsFiles({ deployment }: Site, directories: Directories): readonly File[] {
  const { tls } = deployment.gateway;
  if (tls === undefined) return [];
  return [
    plainFile(directories, CERTIFICATE, pem(tls.certificate)),
    authorityFile(directories, tls),
    secretFile(directories, KEY, `${secretMarker(SECRETS.gatewayKey, "pem")}\n`),
  ];
}

export function tlsSettings({ deployment }: Site, { config, secrets }: Directories): Partial<Settings> {
  if (deployment.gateway.tls === undefined) return {};
  return { TLS_CERT_FILE: `${config}/${CERTIFICATE}`, TLS_KEY_FILE: `${secrets}/${KEY}` };
}

/** Whom nginx believes, in its own directory. */
export function authorityFile(directories: Directories, { authority }: Pick<Tls, "authority">): File {
  return plainFile(directories, AUTHORITY_FILE, pem(authority));
}

/** For nginx.conf; null where the gateway speaks plain. */
export function tlsPlaceOf({ deployment }: Site, { config }: Directories): NginxPlace["gatewayTls"] {
  const { tls } = deployment.gateway;
  return tls === undefined ? null : { authorityPath: `${config}/${AUTHORITY_FILE}`, name: tls.name };
}

/** A question to the gateway at its own port, in its own words; from beside it with the certificate checked. */
export function askedAt(
  site: Site,
  directories: Directories,
  port: number,
  path: string,
): Pick<Probe, "check" | "inside"> {
  const { tls } = site.deployment.gateway;
  const { node } = site.ground;
  if (tls === undefined) {
    const asked = `fetch("http://127.0.0.1:${port}${path}").then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))`;
    return { check: { kind: "http", scheme: "http", port, path }, inside: [node, "-e", asked] };
  }
  const options = JSON.stringify({ host: "127.0.0.1", port, path, servername: tls.name });
  const authority = JSON.stringify(`${directories.config}/${AUTHORITY_FILE}`);
  const asked = `require("node:https").get({ ...${options}, ca: require("node:fs").readFileSync(${authority}) }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1)).on("error", () => process.exit(1))`;
  return { check: { kind: "http", scheme: "https", port, path }, inside: [node, "-e", asked] };
}

function pem(text: string): string {
  return `${text.trimEnd()}\n`;
}

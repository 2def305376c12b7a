/** Certificates for the tests of TLS: an authority, a server's, and clients' that are good or bad in one way each. Made by openssl. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installed, temporaryDirectory } from "../../harness/index.ts";

export type Pair = { readonly certFile: string; readonly keyFile: string; readonly cert: Buffer; readonly key: Buffer };

export type Authority = {
  readonly directory: string;
  readonly caFile: string;
  readonly ca: Buffer;
  /** `-days -1` makes one that has expired. `extensions`: lines of an openssl extension file. */
  issue(name: string, subject: string, extensions: readonly string[], days?: number): Pair;
  remove(): Promise<void>;
};

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
export const SERVER_NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost";

export async function makeAuthority(name = "authority"): Promise<Authority> {
  const { path, remove } = await temporaryDirectory();
  const openssl = (...args: string[]) => execFileSync(installed("openssl"), args, { cwd: path, stdio: "pipe" });
  const at = (file: string) => join(path, file);
  openssl("req", "-x509", ...NEW_KEY, "-days", "1", "-subj", `/CN=${name}`, "-keyout", "ca.key", "-out", "ca.pem");
  return {
    directory: path,
    caFile: at("ca.pem"),
    ca: readFileSync(at("ca.pem")),
    issue(file, subject, extensions, days = 1) {
      openssl("req", ...NEW_KEY, "-subj", subject, "-keyout", `${file}.key`, "-out", `${file}.csr`);
      writeFileSync(at(`${file}.ext`), `${extensions.join("\n")}\n`);
      const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-days", String(days), "-extfile", `${file}.ext`];
      openssl("x509", "-req", "-in", `${file}.csr`, ...signed, "-out", `${file}.pem`);
      const [certFile, keyFile] = [at(`${file}.pem`), at(`${file}.key`)];
      return { certFile, keyFile, cert: readFileSync(certFile), key: readFileSync(keyFile) };
    },
    remove,
  };
}

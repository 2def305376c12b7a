/** A private authority and a certificate of 127.0.0.1 that it signed, made by openssl for one test run. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { installed } from "./daemons.ts";
import { temporaryDirectory } from "./ports.ts";

export type Certificates = {
  /** PEM files. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  remove(): Promise<void>;
};

/** `names`: what the certificate is for, as openssl writes it. */
export async function makeCertificates(names = "IP:127.0.0.1,DNS:localhost"): Promise<Certificates> {
  const { path, remove } = await temporaryDirectory();
  const file = (name: string) => join(path, name);
  const openssl = (line: string) => execFileSync(installed("openssl"), line.split(" "), { cwd: path, stdio: "pipe" });
  const newKey = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  openssl(`req -x509 ${newKey} -days 1 -subj /CN=authority -keyout authority.key -out authority.pem`);
  openssl(`req ${newKey} -subj /CN=redis -keyout server.key -out server.csr`);
  writeFileSync(file("names"), `subjectAltName=${names}\n`);
  openssl("x509 -req -in server.csr -CA authority.pem -CAkey authority.key -days 1 -extfile names -out server.pem");
  return { authority: file("authority.pem"), certificate: file("server.pem"), key: file("server.key"), remove };
}

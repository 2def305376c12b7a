/** nginx as a plain proxy with one worker: the measure of everything else. */
import { spawnSync } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { answersAt, freePort, isInstalled, type Part, start, UNDER_TEST } from "./machine.ts";

export type Nginx = { readonly part: Part; readonly origin: string; readonly http2Origin: string };

export function nginxVersion(): string {
  const { stderr = "" } = spawnSync("nginx", ["-v"], { encoding: "utf8" });
  return /nginx\/(\S+)/.exec(stderr)?.[1] ?? "none";
}

/** Undefined where it is not installed. */
export async function startNginx(parent: string, upstream: string): Promise<Nginx | undefined> {
  if (!isInstalled("nginx", "-v")) return undefined;
  const directory = await mkdtemp(join(parent, "nginx-"));
  const [port, http2Port] = [await freePort(), await freePort()];
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `${kind}_temp_path ${directory}/${kind};`,
  );
  const proxied = `location / {
      proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; proxy_read_timeout 60s;
    }`;
  const conf = `
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
events { worker_connections 8192; }
http {
  access_log off; ${temporary.join(" ")}
  keepalive_requests 100000000; client_body_buffer_size 64k;
  upstream upstream { server ${new URL(upstream).host}; keepalive 2048; keepalive_requests 100000000; }
  server { listen 127.0.0.1:${port} backlog=4096; ${proxied} }
  server { listen 127.0.0.1:${http2Port} http2; ${proxied} }
}`;
  const file = join(directory, "nginx.conf");
  await writeFile(file, conf);
  const part = start(UNDER_TEST, "nginx", ["-p", directory, "-c", file]);
  const origin = `http://127.0.0.1:${port}`;
  try {
    await answersAt("nginx", async () => (await fetch(origin)).status === 405);
  } catch (error) {
    await part.stop();
    throw error;
  }
  return { part, origin, http2Origin: `http://127.0.0.1:${http2Port}` };
}

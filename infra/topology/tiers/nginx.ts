/** nginx: the door of the deployment, its caches, and its limits per client. */
import type { Plan } from "../../../contract/plan.ts";
import { renderNginx } from "../files/nginx.ts";
import { renderCredentialScript } from "../files/nginx-cache.ts";
import type { NginxPlace } from "../files/place.ts";
import { authorityFile, tlsPlaceOf } from "../gateway-tls.ts";
import type { Directories, Probe, Workload } from "../model.ts";
import { listensOn, probesOf } from "../probes.ts";
import type { Site } from "../site.ts";
import { plainFile, reserved, scratch, searchPath, type Unsealed, withDescriptors } from "../workload.ts";

/** Bodies of requests that are larger than nginx's buffers, and answers on their way into a cache. */
const TEMPORARY_MIB = 256;

export function nginxWorkload(site: Site, gateways: readonly Pick<Workload, "name" | "ports">[]): Unsealed {
  const { plan, deployment, ground } = site;
  const { nginx, timeouts, shutdown, disruption } = plan;
  const directories = ground.directories("nginx");
  const place = placeOf(site, directories, gateways);
  const volumes = [
    scratch("temporary", directories.temporary, TEMPORARY_MIB + cachesMiB(nginx)),
    scratch("run", directories.run, 1),
  ];
  const configuration = `${directories.config}/nginx.conf`;
  return {
    name: "nginx",
    tier: "nginx",
    shape: {
      kind: "replicated",
      replicas: nginx.replicas,
      scaling: null,
      rollout: {
        order: "beside",
        surge: plan.autoscaling.maxSurge,
        minReadyS: timeouts.preStopS,
        progressDeadlineS: 600,
      },
    },
    image: { reference: deployment.images.nginx.reference, uid: deployment.images.nginx.uid },
    command: withDescriptors("nginx", nginx.nofile, ["nginx", "-e", "stderr", "-c", configuration]),
    nofile: nginx.nofile,
    environment: { PATH: searchPath(site) },
    files: [
      plainFile(directories, "nginx.conf", renderNginx(plan, place)),
      ...(place.credentialDigest === null ? [] : [plainFile(directories, "credential.js", renderCredentialScript())]),
      ...(deployment.gateway.tls === undefined ? [] : [authorityFile(directories, deployment.gateway.tls)]),
    ],
    ports: [
      { name: "http", port: ground.ports.nginx },
      { name: "status", port: ground.ports.nginxStatus },
    ],
    addressing: "shared",
    reload: "SIGHUP",
    resources: reserved(nginx, volumes),
    sysctls: {},
    probes: probesOf(plan, aliveAt(ground.ports.nginxStatus, ground.listen)),
    volumes,
    // QUIT lets requests end; TERM would cut them.
    shutdown: { signal: "SIGQUIT", waitS: timeouts.preStopS, graceS: timeouts.preStopS + shutdown.drainS + 5 },
    disruption: nginx.replicas > 1 ? { maxUnavailable: disruption.maxUnavailable ?? 1 } : null,
    after: gateways.map(({ name }) => name),
  };
}

function placeOf(
  site: Site,
  directories: Directories,
  gateways: readonly Pick<Workload, "name" | "ports">[],
): NginxPlace {
  const { deployment, ground } = site;
  const { images, access } = deployment;
  return {
    version: images.nginx.version,
    listen: ground.listen.map((address) => ({ address, port: ground.ports.nginx })),
    status: { address: ground.listen[0] ?? "127.0.0.1", port: ground.ports.nginxStatus },
    gatewayTls: tlsPlaceOf(site, directories),
    gateways: gateways.map(({ name, ports }) => ({ host: ground.host(name), port: ports[0]?.port ?? 0 })),
    resolvers: ground.resolvers,
    trustedProxies: access.trustedProxies,
    // nginx makes one directory for each cache and each kind of temporary file, but none above them.
    directories: { cache: directories.temporary, temporary: directories.temporary },
    pidFile: `${directories.run}/nginx.pid`,
    accessLog: null,
    limits: access.limits,
    maxBodyBytes: access.maxBodyMiB * 1024 * 1024,
    isCompressing: deployment.gateway.compression === "nginx",
    compressors: { brotli: images.nginx.brotli ?? null, zstd: images.nginx.zstd ?? null },
    credentialDigest:
      images.nginx.javascript === undefined
        ? null
        : { modulePath: images.nginx.javascript, scriptPath: `${directories.config}/credential.js` },
  };
}

/** All caches at their largest; the identities' takes four KiB for each of eight thousand keys to the MiB. */
function cachesMiB({ zones }: Plan["nginx"]): number {
  const caches = [zones.static, zones.api, zones.schema, zones.admin];
  return caches.reduce((sum, { maxSizeMiB }) => sum + maxSizeMiB, zones.requestLimitMiB * 32);
}

/** nginx is asked whether it lives; whether the gateway does is asked of the gateway. */
function aliveAt(port: number, listen: readonly string[]): Pick<Probe, "check" | "inside"> {
  const url = `http://${listen[0] === "127.0.0.1" ? "127.0.0.1" : "localhost"}:${port}/alive`;
  return { check: { kind: "http", scheme: "http", port, path: "/alive" }, inside: ["sh", "-c", askedBy(url, port)] };
}

/** Images have one of two clients or none; where there is none, whether it listens is asked. */
function askedBy(url: string, port: number): string {
  return [
    `if command -v curl >/dev/null; then curl -fsS -o /dev/null ${url}`,
    `elif command -v wget >/dev/null; then wget -q -O /dev/null ${url}`,
    `else ${listensOn(port)}; fi`,
  ].join("; ");
}

/** nginx.conf: the proxy and cache before the gateway, for nginx 1.22 and newer, started as an ordinary user. */
import { isIP } from "node:net";
import type { Plan } from "../../../contract/plan.ts";
import { cachedBy, cacheZones, identityCheck, passOn, type ZoneName } from "./nginx-cache.ts";
import { ADMIN_PATTERN, apiPattern, STATIC_PREFIX, schemaPattern, streamPattern } from "./nginx-routes.ts";
import { block, type Directive, directive, duration, quotedArgument, renderDirectives } from "./nginx-text.ts";
import type { Listen, NginxPlace } from "./place.ts";
import {
  addressOf,
  authority,
  hostOf,
  isAtLeast,
  listenPortOf,
  networkOf,
  PlaceError,
  pathOf,
  portOf,
  versionOf,
  wholeOf,
} from "./writing.ts";

const OLDEST = [1, 22];
/** Since then an upstream follows its name's addresses without a subscription. */
const FOLLOWS_NAMES = [1, 27, 3];
const COMPRESSED_TYPES = ["application/json", "application/javascript", "text/css", "text/plain", "image/svg+xml"];
const GZIP_LEVEL = 6;
const GZIP_LEAST_BYTES = 500;
/** About as fast as gzip at its level, and smaller. */
const BROTLI_LEVEL = 4;
const ZSTD_LEVEL = 3;

/** The file for one of the plan's nginx. Throws PlaceError. */
export function renderNginx(plan: Plan, place: NginxPlace): string {
  const { nginx, shutdown } = plan;
  if (!isAtLeast(versionOf("nginx.version", place.version), OLDEST))
    throw new PlaceError("nginx.version", place.version, "1.22 or newer");
  return renderDirectives([
    ...modules(place).map(([field, path]) => directive("load_module", pathOf(`nginx.${field}`, path))),
    directive("daemon", "off"),
    directive("pid", pathOf("nginx.pidFile", place.pidFile)),
    directive("error_log", "stderr", "warn"),
    directive("worker_processes", nginx.workerProcesses),
    directive("worker_rlimit_nofile", nginx.nofile),
    "# A stream could hold a worker that was told to stop for as long as it likes.",
    directive("worker_shutdown_timeout", duration(shutdown.drainS)),
    block("events", [directive("worker_connections", nginx.workerConnections)]),
    block("http", httpBlock(plan, place)),
  ]);
}

function modules({ credentialDigest, compressors, isCompressing }: NginxPlace): readonly (readonly [string, string])[] {
  const found: readonly (readonly [string, string | null | undefined])[] = [
    ["credentialDigest.modulePath", credentialDigest?.modulePath],
    ["compressors.brotli", isCompressing ? compressors.brotli : null],
    ["compressors.zstd", isCompressing ? compressors.zstd : null],
  ];
  return found.flatMap(([field, path]) => (path === null || path === undefined ? [] : [[field, path] as const]));
}

function httpBlock(plan: Plan, place: NginxPlace): readonly Directive[] {
  const { zones } = plan.nginx;
  const { credentialDigest, limits } = place;
  const rate = wholeOf("nginx.limits.requestsPerSecond", limits.requestsPerSecond, 1, 1_000_000);
  return [
    ...(credentialDigest === null
      ? []
      : [
          directive(
            "js_import",
            "credential",
            "from",
            pathOf("nginx.credentialDigest.scriptPath", credentialDigest.scriptPath),
          ),
          directive("js_set", "$credential_digest", "credential.digest"),
        ]),
    directive("default_type", "application/octet-stream"),
    directive("server_tokens", "off"),
    directive("access_log", place.accessLog === null ? "off" : pathOf("nginx.accessLog", place.accessLog)),
    directive("sendfile", "on"),
    ...temporaryPaths(place),
    ...clientConnections(plan, place),
    ...realClient(place),
    directive("limit_req_zone", "$binary_remote_addr", `zone=requests:${zones.requestLimitMiB}m`, `rate=${rate}r/s`),
    directive("limit_conn_zone", "$binary_remote_addr", `zone=connections:${zones.connectionLimitMiB}m`),
    directive("limit_req_status", 429),
    directive("limit_conn_status", 429),
    ...compression(place),
    ...cacheZones(plan, place),
    block("map $http_upgrade $connection_upgrade", [directive('""', '""'), directive("default", "upgrade")]),
    upstream(plan, place),
    ...proxying(plan),
    ...checking(place),
    block("server", server(plan, place)),
    ...(place.status === null ? [] : [statusServer(place.status, place.listen)]),
  ];
}

/** Every module that could buffer wants a directory at the start, used or not. */
function temporaryPaths({ directories }: NginxPlace): readonly Directive[] {
  const directory = pathOf("nginx.directories.temporary", directories.temporary);
  return ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) =>
    directive(`${name}_temp_path`, `${directory}/${name}`),
  );
}

/** nginx keeps an idle connection longer than the balancer before it, which otherwise sends a request into a closing one. */
function clientConnections({ nginx, timeouts }: Plan, { maxBodyBytes }: NginxPlace): readonly Directive[] {
  return [
    directive("keepalive_timeout", duration(timeouts.nginxKeepaliveS)),
    directive("keepalive_requests", nginx.keepaliveRequests),
    directive("client_max_body_size", wholeOf("nginx.maxBodyBytes", maxBodyBytes, 1, 2 ** 40)),
  ];
}

function realClient({ trustedProxies }: NginxPlace): readonly Directive[] {
  const networks = trustedProxies.map((network, at) => networkOf(`nginx.trustedProxies[${at}]`, network));
  const believed = [
    ...networks.map((network) => directive("set_real_ip_from", network)),
    directive("real_ip_header", "X-Forwarded-For"),
    directive("real_ip_recursive", "on"),
  ];
  return [
    ...(networks.length === 0 ? [] : believed),
    block("geo $realip_remote_addr $is_from_proxy", [
      directive("default", 0),
      ...networks.map((network) => directive(network, 1)),
    ]),
    block("map $is_from_proxy:$http_x_forwarded_proto $forwarded_proto", [
      directive('"1:https"', "https"),
      directive("default", "$scheme"),
    ]),
  ];
}

/** Exactly one layer compresses. Event streams never: a compressor holds back what it has not filled a block with. */
function compression({ isCompressing, compressors }: NginxPlace): readonly Directive[] {
  if (!isCompressing)
    return [
      directive("gzip", "off"),
      block("map $http_accept_encoding $accepted_encoding", [
        directive(quotedArgument("~*\\bbr\\b"), "br"),
        directive(quotedArgument("~*\\bgzip\\b"), "gzip"),
        directive("default", '""'),
      ]),
    ];
  return [
    directive("gzip", "on"),
    directive("gzip_comp_level", GZIP_LEVEL),
    directive("gzip_min_length", GZIP_LEAST_BYTES),
    directive("gzip_proxied", "any"),
    directive("gzip_vary", "on"),
    directive("gzip_types", ...COMPRESSED_TYPES),
    ...(compressors.brotli === null ? [] : further("brotli", BROTLI_LEVEL)),
    ...(compressors.zstd === null ? [] : further("zstd", ZSTD_LEVEL)),
  ];
}

/** Both modules took over gzip's names. */
function further(name: "brotli" | "zstd", level: number): readonly Directive[] {
  return [
    directive(name, "on"),
    directive(`${name}_comp_level`, level),
    directive(`${name}_min_length`, GZIP_LEAST_BYTES),
    directive(`${name}_types`, ...COMPRESSED_TYPES),
  ];
}

function upstream({ nginx, timeouts, probes }: Plan, place: NginxPlace): Directive {
  if (place.gateways.length === 0) throw new PlaceError("nginx.gateways", [], "at least one");
  const hosts = place.gateways.map((one, at) => hostOf(`nginx.gateways[${at}].host`, one.host));
  const addresses = place.gateways.map((one, at) =>
    authority(hosts[at] ?? one.host, portOf(`nginx.gateways[${at}].port`, one.port)),
  );
  const resolvers = place.resolvers.map((one, at) =>
    authority(hostOf(`nginx.resolvers[${at}].host`, one.host), portOf(`nginx.resolvers[${at}].port`, one.port)),
  );
  const canFollow = isAtLeast(versionOf("nginx.version", place.version), FOLLOWS_NAMES);
  const isNamed = hosts.some((host) => isIP(host) === 0);
  const follows = canFollow && resolvers.length > 0 && isNamed;
  const kept = [
    directive("keepalive", nginx.keepalivePerWorker),
    directive("keepalive_requests", nginx.keepaliveRequests),
    directive("keepalive_timeout", duration(timeouts.nginxUpstreamKeepaliveS)),
    // A name that is looked up once is a balancer of its own, which moves only new connections to new replicas.
    ...(follows ? [] : [directive("keepalive_time", duration(timeouts.nginxUpstreamKeepaliveS))]),
  ];
  // Of several, one that does not answer is asked again after one period of its probe; a single one is always asked.
  const failing = addresses.length === 1 ? [] : [`fail_timeout=${duration(probes.readiness.periodS)}`];
  return block("upstream gateway", [
    directive("zone", "gateway", "256k"),
    directive("least_conn"),
    ...(follows
      ? [
          // A replica that is not ready any more is left within one period of its probe.
          directive("resolver", ...resolvers, `valid=${duration(probes.readiness.periodS)}`),
          directive("resolver_timeout", duration(timeouts.readinessS)),
          ...addresses.map((address) => directive("server", address, "resolve")),
        ]
      : addresses.map((address) => directive("server", address, ...failing))),
    ...(nginx.keepalivePerWorker === 0 ? [] : kept),
  ]);
}

/**
 * Defaults of every location: nothing is held back on its way. A retry goes to one other replica, and never for a request that may
 * already have done something.
 */
function proxying({ timeouts }: Plan): readonly Directive[] {
  return [
    directive("proxy_http_version", "1.1"),
    directive("proxy_redirect", "off"),
    directive("proxy_buffering", "off"),
    directive("proxy_socket_keepalive", "on"),
    directive("proxy_connect_timeout", duration(timeouts.readinessS)),
    directive("proxy_send_timeout", duration(timeouts.proxyReadS)),
    directive("proxy_read_timeout", duration(timeouts.proxyReadS)),
    directive("proxy_next_upstream", "error", "timeout"),
    directive("proxy_next_upstream_tries", 2),
    // Long enough after a connection that did not come about, too short after an answer that did not.
    directive("proxy_next_upstream_timeout", duration(2 * timeouts.readinessS)),
    directive("proxy_hide_header", "X-Cache-Identity"),
  ];
}

/** The gateway's certificate is checked, by a name of the deployment in place of that of the upstream group. */
function checking({ gatewayTls }: NginxPlace): readonly Directive[] {
  if (gatewayTls === null) return [];
  return [
    directive("proxy_ssl_verify", "on"),
    directive("proxy_ssl_trusted_certificate", pathOf("nginx.gatewayTls.authorityPath", gatewayTls.authorityPath)),
    directive("proxy_ssl_name", hostOf("nginx.gatewayTls.name", gatewayTls.name)),
    directive("proxy_ssl_server_name", "on"),
    directive("proxy_ssl_verify_depth", 3),
    directive("proxy_ssl_protocols", "TLSv1.2", "TLSv1.3"),
  ];
}

function server(plan: Plan, place: NginxPlace): readonly Directive[] {
  const { limits } = place;
  const pass = passOn(place);
  if (place.listen.length === 0) throw new PlaceError("nginx.listen", [], "at least one address");
  return [
    ...place.listen.map((one, at) =>
      directive(
        "listen",
        listenOf(`nginx.listen[${at}]`, one),
        "default_server",
        "reuseport",
        `backlog=${plan.nginx.backlog}`,
      ),
    ),
    directive("server_name", "_"),
    directive("absolute_redirect", "off"),
    directive(
      "limit_req",
      "zone=requests",
      `burst=${wholeOf("nginx.limits.burst", limits.burst, 1, 1_000_000)}`,
      "nodelay",
    ),
    directive("limit_conn", "connections", wholeOf("nginx.limits.connections", limits.connections, 1, 1_000_000)),
    directive("add_header", "X-Cache-Status", "$upstream_cache_status", "always"),
    ...headers(place, '""'),
    identityCheck(plan, place, headers(place, '""')),
    "# The gateway ignores one slash at the end, and who is asking is nothing to ask from outside.",
    block("location = /_auth/", [directive("return", 404)]),
    block(`location ~ ${quotedArgument(streamPattern())}`, [
      pass,
      ...headers(place, "$connection_upgrade"),
      directive("proxy_set_header", "Upgrade", "$http_upgrade"),
      directive("proxy_read_timeout", duration(plan.timeouts.streamReadS)),
    ]),
    ...CACHED.map(([zone, match]) => block(`location ${match}`, [pass, ...cachedBy(zone, plan, place)])),
    ...["location @uncached", "location /"].map((head) => block(head, [pass])),
  ];
}

const CACHED: readonly (readonly [ZoneName, string])[] = [
  ["static", `^~ ${STATIC_PREFIX}`],
  ["schema", `~ ${quotedArgument(schemaPattern())}`],
  ["admin", `~ ${quotedArgument(ADMIN_PATTERN)}`],
  ["api", `~ ${quotedArgument(apiPattern())}`],
];

/** One group: nginx inherits these only where a location sets no header of its own. */
function headers({ isCompressing }: NginxPlace, connection: '""' | "$connection_upgrade"): readonly Directive[] {
  return [
    directive("proxy_set_header", "Host", "$http_host"),
    // What a client says of itself goes no further: the gateway believes what comes from here.
    directive("proxy_set_header", "X-Forwarded-For", "$remote_addr"),
    directive("proxy_set_header", "Forwarded", '""'),
    directive("proxy_set_header", "X-Forwarded-Proto", "$forwarded_proto"),
    directive("proxy_set_header", "Accept-Encoding", isCompressing ? '""' : "$accepted_encoding"),
    directive("proxy_set_header", "Connection", connection),
  ];
}

/** On a port that it shared with the proxy, nginx would start and never answer here. */
function statusServer(status: Listen, proxy: readonly Listen[]): Directive {
  if (proxy.some(({ port }) => port === status.port))
    throw new PlaceError("nginx.status.port", status.port, "a port that the proxy does not listen on");
  return block("server", [
    directive("listen", listenOf("nginx.status", status)),
    block("location = /alive", [directive("return", 204)]),
    block("location = /stub_status", [directive("stub_status")]),
    block("location /", [directive("return", 404)]),
  ]);
}

function listenOf(field: string, { address, port }: Listen): string {
  return authority(addressOf(`${field}.address`, address), listenPortOf(`${field}.port`, port));
}

/** A stack whose gateway speaks TLS: its files, who checks whom, and that nothing else changes. */
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadSettings } from "../../../gateway/settings/index.ts";
import { kubernetesManifests } from "../../../infra/targets/kubernetes/manifests/index.ts";
import { ask } from "../../../infra/targets/local/probe.ts";
import { resolveText, secretMarker, type Workload } from "../../../infra/topology/index.ts";
import { type Certificates, makeCertificates, run } from "../../harness/index.ts";
import { built, changed, refused, workload } from "./stacks.ts";

const pem = (body: string) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;
const tls = { certificate: pem("TUlJQg=="), authority: pem("QUJDRA=="), name: "gateway.internal" };
const STACKS = ["dev", "local", "prod"] as const;
const nameOf = (stack: string) => (stack === "local" ? "gateway-1" : "gateway");
const encrypted = (stack: string) => built(stack, { deployment: { gateway: { tls } } });
const textOf = ({ files }: Workload, ending: string) => files.find(({ path }) => path.endsWith(`/${ending}`))?.text;

describe.each(STACKS)("stack %s with TLS at the gateway", (stack) => {
  const { topology } = encrypted(stack);
  const gateway = workload(topology, nameOf(stack));

  it("gives the gateway its certificate, and its key as a secret", () => {
    const { TLS_CERT_FILE: cert = "", TLS_KEY_FILE: key = "" } = gateway.environment;
    const fileAt = (path: string) => gateway.files.find((file) => file.path === path);
    expect(fileAt(cert)).toEqual({ path: cert, text: tls.certificate, isSecret: false, isReread: false });
    expect(fileAt(key)).toEqual({
      path: key,
      text: "{{secret:gateway-tls-key:pem}}\n",
      isSecret: true,
      isReread: false,
    });
    expect(topology.secrets.find(({ name }) => name === "gateway-tls-key")).toEqual({
      name: "gateway-tls-key",
      why: "private key of the gateway's certificate, PEM",
      kind: "given",
      key: "mcp-stack:gatewayTlsKey",
      version: "1",
    });
    const { settings, warnings } = loadSettings({
      env: { TLS_CERT_FILE: cert, TLS_KEY_FILE: key },
      envFile: false,
    });
    expect([settings.TLS_CERT_FILE, settings.TLS_KEY_FILE, warnings]).toEqual([cert, key, []]);
  });

  it("lets nginx believe that authority and that name, at every place where it passes on", () => {
    const nginx = workload(topology, "nginx");
    const conf = textOf(nginx, "nginx.conf") ?? "";
    expect(textOf(nginx, "gateway-authority.pem")).toBe(tls.authority);
    expect(new Set(conf.match(/proxy_pass .*;/g))).toEqual(new Set(["proxy_pass https://gateway;"]));
    const directory = nginx.files.find(({ path }) => path.endsWith("gateway-authority.pem"))?.path;
    expect(conf.match(/proxy_ssl_.*;/g)).toEqual([
      "proxy_ssl_verify on;",
      `proxy_ssl_trusted_certificate ${directory};`,
      "proxy_ssl_name gateway.internal;",
      "proxy_ssl_server_name on;",
      "proxy_ssl_verify_depth 3;",
      "proxy_ssl_protocols TLSv1.2 TLSv1.3;",
    ]);
  });

  it("asks over TLS", () => {
    const checks = [gateway.probes?.startup, gateway.probes?.readiness, gateway.probes?.liveness].map((probe) =>
      probe?.check.kind === "http" ? probe.check.scheme : undefined,
    );
    expect(checks).toEqual(["https", "https", "https"]);
  });

  it("changes the gateway and nginx alone", () => {
    const gateways = topology.workloads.filter(({ tier }) => tier === "gateway").map(({ name }) => name);
    expect(changed(built(stack).topology, topology)).toEqual([...gateways, "nginx"]);
  });

  it("starts the gateway again with another key", () => {
    const other = built(stack, { deployment: { gateway: { tls }, secrets: { tls: "2" } } }).topology;
    const gateways = topology.workloads.filter(({ tier }) => tier === "gateway").map(({ name }) => name);
    expect(changed(topology, other)).toEqual(gateways);
  });
});

describe("Kubernetes", () => {
  const { topology, deployment } = built("prod", { deployment: { gateway: { tls } } });
  const objects = kubernetesManifests(topology, deployment);
  const container = (): { readonly [probe: string]: { readonly httpGet: unknown } } => {
    const found = objects.find(({ kind, metadata }) => kind === "Deployment" && metadata.name === "gateway");
    return Object(found).spec.template.spec.containers[0];
  };

  it("probes over TLS, and the kubelet checks no certificate", () => {
    expect(["startupProbe", "readinessProbe", "livenessProbe"].map((probe) => container()[probe]?.httpGet)).toEqual([
      { scheme: "HTTPS", port: 4444, path: "/health" },
      { scheme: "HTTPS", port: 4444, path: "/ready" },
      { scheme: "HTTPS", port: 4444, path: "/health" },
    ]);
  });

  it("reads counters over TLS, of whom the authority has signed", () => {
    const monitored = {
      ...deployment,
      kubernetes: {
        ...deployment.kubernetes,
        monitoring: { ...deployment.kubernetes.monitoring, serviceMonitors: true },
      },
    };
    const monitor = kubernetesManifests(topology, monitored).find(
      ({ kind, metadata }) => kind === "ServiceMonitor" && metadata.name === "gateway",
    );
    expect(Object(monitor).spec.endpoints).toEqual([
      {
        port: "http",
        path: "/metrics",
        scheme: "https",
        tlsConfig: {
          ca: { configMap: { name: "gateway-config", key: "gateway-authority.pem" } },
          serverName: "gateway.internal",
        },
        authorization: { type: "Bearer", credentials: { name: "gateway-secrets", key: "metrics-token" } },
      },
    ]);
  });
});

describe("a private key", () => {
  const text = secretMarker("gateway-tls-key", "pem");
  const resolved = (key: string) => resolveText(text, { "gateway-tls-key": key });
  const key = "-----BEGIN PRIVATE KEY-----\nTUlJQg==\n-----END PRIVATE KEY-----";

  it("is put in with its lines", () => {
    expect([resolved(key), resolved(`${key}\n\n`)]).toEqual([key, key]);
    const named = key.replaceAll("PRIVATE", "EC PRIVATE");
    expect(resolved(named)).toBe(named);
  });

  it.each([
    tls.certificate,
    "secret",
    key.replace("TUlJ", "TU\u0000lJ"),
    `${key}\n{{secret:other:plain}}`,
    key.replaceAll("PRIVATE", "ENCRYPTED PRIVATE").replace("TUlJQg==", "Proc-Type: 4,ENCRYPTED\n\nTUlJQg=="),
  ])("is not %j", (other) => {
    expect(() => resolved(other)).toThrow(
      new RangeError("secret gateway-tls-key holds no private key as PEM, without a passphrase"),
    );
  });
});

describe("a certificate that is none", () => {
  it("is refused with its key", () => {
    expect(refused("dev", { deployment: { gateway: { tls: { ...tls, certificate: "/etc/cert.pem" } } } })).toContain(
      "gateway.tls.certificate",
    );
  });
});

describe("the probes themselves", () => {
  let certificates: Certificates;
  let port = 0;
  const server = () =>
    createServer(
      { cert: readFileSync(certificates.certificate), key: readFileSync(certificates.key) },
      (request, response) => {
        response.writeHead(request.url === "/health" ? 200 : 503).end();
      },
    );
  let running: ReturnType<typeof server>;
  beforeAll(async () => {
    certificates = await makeCertificates();
    running = server();
    await new Promise<void>((resolve) => running.listen(0, "127.0.0.1", resolve));
    port = (running.address() as AddressInfo).port;
  });
  afterAll(async () => {
    running?.close();
    await certificates?.remove();
  });

  const context = { environment: {}, uid: undefined, gid: undefined, directory: "/" };
  const probe = (path: string) => {
    const check = { kind: "http", scheme: "https", port, path } as const;
    return ask({ periodS: 5, timeoutS: 5, failureThreshold: 1, inside: [], check }, "127.0.0.1", context);
  };

  it("from outside ask whether it answers", async () => {
    expect([await probe("/health"), await probe("/ready")]).toEqual([undefined, `GET /ready at port ${port}: 503`]);
  });

  it("from beside it check the certificate too", async () => {
    const [, , script = ""] = workload(encrypted("dev").topology, "gateway").probes?.liveness?.inside ?? [];
    const answer = (path: string, name: string, authority: string) => {
      const asked = script
        .replace(/"\/[^"]*gateway-authority\.pem"/, JSON.stringify(authority))
        .replace("4444", String(port))
        .replace("/health", path)
        .replace("gateway.internal", name);
      return run(process.execPath, ["-e", asked]).exited;
    };
    const stranger = await makeCertificates();
    try {
      expect(
        await Promise.all([
          answer("/health", "localhost", certificates.authority),
          answer("/ready", "localhost", certificates.authority),
          answer("/health", "gateway.internal", certificates.authority),
          answer("/health", "localhost", stranger.authority),
        ]),
      ).toEqual([0, 1, 1, 1]);
    } finally {
      await stranger.remove();
    }
  });
});

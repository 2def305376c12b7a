/** The registry by the settings. Part of the composition root. */
import type { RestRoom } from "../contract/rest.ts";
import type { Settings } from "../contract/settings.ts";
import { createRegistry, type RegistryParts } from "./registry/index.ts";
import type { AddressGuard, Upstreams } from "./upstreams/index.ts";

export type RegistryInput = Pick<
  RegistryParts,
  "store" | "inspect" | "changed" | "log" | "authorization" | "approved"
> & {
  readonly settings: Settings;
  readonly upstreams: Upstreams;
  readonly guard: AddressGuard;
};

export function openRegistry({ settings, upstreams, guard, ...parts }: RegistryInput): RestRoom {
  const imports = {
    maxBytes: settings.OPENAPI_MAX_BYTES,
    maxTools: settings.OPENAPI_MAX_TOOLS,
    fetchDocument: (url: string) =>
      upstreams.fetchDocument(url, settings.OPENAPI_MAX_BYTES, settings.OPENAPI_FETCH_TIMEOUT * 1000),
  };
  return createRegistry({
    ...parts,
    separator: settings.GATEWAY_TOOL_NAME_SEPARATOR,
    allowsPublic: settings.ALLOW_PUBLIC_VISIBILITY,
    queryAuth: {
      allowed: settings.INSECURE_ALLOW_QUERYPARAM_AUTH,
      hosts: settings.INSECURE_QUERYPARAM_AUTH_ALLOWED_HOSTS,
    },
    checkAddress: (url) => guard.check(url, "user"),
    ...(settings.MCPGATEWAY_BULK_IMPORT_ENABLED ? { imports } : {}),
    circuitOf: (id) => upstreams.circuits().find((circuit) => circuit.id === id)?.state ?? "closed",
  });
}

/** REST of the registry as a whole: GET /export and POST /import. */
import type { RestResponse } from "../../../contract/http.ts";
import { LIBRARY, type ListQuery } from "../../store/index.ts";
import { flag, readBody, readQuery } from "../input.ts";
import { importsOf, invalid, problemsOf } from "../problems.ts";
import type { Call, RegistryParts } from "../types.ts";
import {
  type EntityType,
  type Imported,
  importRequest,
  type RegistryExport,
  registryExport,
  selectiveExport,
  TYPES,
} from "./document.ts";
import { exportRegistry, overseer } from "./export.ts";
import { type Here, stepsOf } from "./plan.ts";
import { openSecrets } from "./secrets.ts";
import { storeAll, storeEach, tryOut } from "./store-steps.ts";

const ALL: ListQuery = { limit: 0, after: 0, includeInactive: true };

export function transferHandlers(parts: RegistryParts) {
  const { store } = parts;

  async function here(by: string): Promise<Here> {
    const viewer = overseer(by);
    const { rows } = await store.listItems(
      ["resource", "resourceTemplate", "prompt"],
      { ...ALL, gatewayId: LIBRARY.id },
      viewer,
    );
    return {
      gateways: await store.allGateways(),
      hosted: rows,
      servers: (await store.listServers(ALL, viewer)).rows,
      separator: parts.separator,
    };
  }

  return {
    async export({ request, principal }: Call): Promise<RestResponse> {
      const values = readQuery(request.query, ["types", "excludeTypes", "tags", "includeInactive"], "export");
      const excluded = typesIn(values.get("excludeTypes"), "excludeTypes");
      const document = await exportRegistry(store, principal.id, {
        types: (typesIn(values.get("types"), "types") ?? TYPES).filter((type) => excluded?.includes(type) !== true),
        tags: listed(values.get("tags")),
        includeInactive: flag(values, "includeInactive", "export", true),
        // A header, because a query stands in logs.
        passphrase: request.headers["x-export-passphrase"],
      });
      return { status: 200, headers: { "cache-control": "no-store" }, body: document };
    },
    async "export-selective"({ request, principal }: Call): Promise<RestResponse> {
      const { entitySelections: names, includeDependencies: withNeeded } = readBody(request, selectiveExport, "export");
      const document = await exportRegistry(store, principal.id, {
        ...{ types: TYPES, tags: [], includeInactive: true, only: { names, withNeeded } },
        passphrase: request.headers["x-export-passphrase"],
      });
      return { status: 200, headers: { "cache-control": "no-store" }, body: document };
    },
    async import({ request, principal }: Call): Promise<RestResponse> {
      importsOf(parts);
      const input = readBody(request, importRequest, "import");
      const { conflictStrategy, dryRun, passphrase } = input;
      const document = documentOf(input.importData);
      const { sealed, names } = document.secrets;
      const opened =
        sealed === undefined || passphrase === undefined ? undefined : await openSecrets(sealed, passphrase);
      const steps = stepsOf(document, await here(principal.id), conflictStrategy, input.selectedEntities);
      const begin = () => ({ principal, secrets: opened ?? {}, missing: opened === undefined ? names : {} });
      const imported = await (dryRun ? tryOut : input.mode === "all" ? storeAll : storeEach)(parts, begin, steps);
      for (const [gatewayId, tools] of imported.approved) parts.approved?.({ request, principal }, gatewayId, tools);
      if (!dryRun) await parts.changed();
      const { entities } = imported;
      const body: Imported = { dryRun, conflictStrategy, entities, counts: countsOf(entities) };
      return { status: 200, body };
    },
  };
}

function documentOf(value: unknown): RegistryExport {
  const parsed = registryExport.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = problemsOf(parsed.error, value, Object.keys(registryExport.shape));
  throw invalid(
    "import",
    problems.map((one) => ({ ...one, path: `importData.${one.path}` })),
  );
}

function listed(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

function typesIn(text: string | undefined, path: string): EntityType[] | undefined {
  if (text === undefined) return undefined;
  return listed(text).map((one) => {
    const type = TYPES.find((known) => known === one);
    if (type === undefined)
      throw invalid("export", [{ path: `?${path}`, value: one.slice(0, 100), allowed: TYPES.join(", ") }]);
    return type;
  });
}

function countsOf(entities: Imported["entities"]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { action } of entities) counts[action] = (counts[action] ?? 0) + 1;
  return counts;
}

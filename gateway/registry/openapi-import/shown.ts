/** What an import shows of itself: the tools it makes or would make, what is missing, what is left out. */
import type * as z from "zod";
import type { GatewayInput } from "../../store/index.ts";
import type { importRead } from "../rest-schemas.ts";
import type { Diff } from "./diff.ts";
import type { Plan } from "./plan.ts";

export type ImportAnswer = z.infer<typeof importRead>;

/** `gateway` as it would be or is stored. */
export function previewOf(
  plan: Plan,
  diff: Diff,
  gateway: Pick<GatewayInput, "name" | "slug" | "authHeaders" | "outbound" | "secrets"> | undefined,
  gatewayId: string | undefined,
): ImportAnswer {
  const { authHeaders = {}, outbound, secrets } = gateway ?? {};
  const given = new Set(Object.keys(authHeaders));
  if (outbound?.oauth !== undefined) given.add("authorization");
  if (secrets?.queryName !== undefined) given.add(`?${secrets.queryName}`);
  return {
    title: plan.title,
    version: plan.version,
    dialect: plan.dialect,
    gatewayId: gatewayId ?? null,
    name: gateway?.name ?? null,
    slug: gateway?.slug ?? null,
    baseUrl: plan.baseUrl ?? null,
    servers: [...plan.servers],
    tools: plan.tools.map(({ key, tags, definition }) => ({
      ...JSON.parse(definition),
      operation: key,
      tags: [...tags],
    })),
    added: diff.added.map(copied),
    changed: diff.changed.map(copied),
    removed: diff.removed.map(copied),
    unchanged: diff.unchanged,
    keptOut: diff.keptOut.map(copied),
    warnings: [...plan.warnings],
    skipped: [...plan.skipped],
    filteredOut: plan.filteredOut,
    security: {
      secured: plan.secured,
      open: plan.open,
      schemes: plan.schemes.map(({ fields, header, ...scheme }) => ({
        ...scheme,
        missing: header !== null && given.has(header) ? [] : [...fields],
      })),
    },
  };
}

function copied({ fields, ...change }: Diff["added"][number]) {
  return { ...change, ...(fields === undefined ? {} : { fields: [...fields] }) };
}

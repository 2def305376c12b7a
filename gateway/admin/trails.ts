/** The audit trail, the security log and log lines: lists with filters, what belongs to one request, and whether chains are whole. */
import { fault } from "../../contract/errors.ts";
import type { GatewayRequest, RestResponse } from "../../contract/http.ts";
import {
  AUDIT_FILTERS,
  type AuditRow,
  LOG_FILTERS,
  type LogRow,
  type RecordPage,
  type RecordQuery,
  SECURITY_FILTERS,
  type SecurityRow,
  type Stored,
} from "../store/index.ts";
import { cursorOf, PAGE_PARAMETERS, parameter, refused, TIME_PARAMETERS, timeOf, valuesOf, wholeOf } from "./query.ts";
import { schemas } from "./schemas.ts";
import type { AdminRoutes, RecordParts } from "./types.ts";
import { verifyChains } from "./verify.ts";

const DEFAULT_PAGE = 100;

function parametersOf(filters: Readonly<Record<string, string>>) {
  const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const own = Object.keys(filters).map((name) => parameter(snake(name), "Only these"));
  return [...own, ...TIME_PARAMETERS, ...PAGE_PARAMETERS];
}

/** `filters`: what may be asked for. */
function recordQuery<Field extends string>(
  query: string,
  filters: Readonly<Record<Field, string>>,
  maxResults: number,
): RecordQuery<Field> {
  const names = Object.keys(filters);
  const values = valuesOf(query, [...names, "from", "until", "limit", "cursor"]);
  const [from, until, before] = [timeOf(values, "from"), timeOf(values, "until"), cursorOf(values)];
  const where: Partial<Record<Field, string>> = {};
  for (const name of names) {
    const value = values.get(name);
    if (value !== undefined) Object.assign(where, { [name]: value });
  }
  return {
    where,
    limit: wholeOf(values, "limit", Math.min(DEFAULT_PAGE, maxResults), [1, maxResults]),
    ...(before === undefined ? {} : { before }),
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
  };
}

/** Both are texts of this gateway; one that somebody changed is shown as it is. */
function data(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return text;
  }
}

function auditShown({ previous: _, keyId: __, at, change, ...row }: Stored<AuditRow>) {
  return { ...row, at: new Date(at).toISOString(), change: data(change) };
}
function securityShown({ at, ...row }: Stored<SecurityRow>) {
  return { ...row, at: new Date(at).toISOString() };
}
function logShown({ at, fields, ...row }: Stored<LogRow>) {
  return { ...row, at: new Date(at).toISOString(), fields: data(fields) };
}

function pageOf<Row>({ rows, next }: RecordPage<Row>, show: (row: Stored<Row>) => unknown): RestResponse {
  return { status: 200, body: { rows: rows.map(show), nextCursor: next ?? null } };
}

/** A search's body says what a list's query says. */
function searchQuery(request: GatewayRequest): string {
  let body: unknown;
  try {
    body = JSON.parse(request.body.toString("utf8"));
  } catch (error) {
    throw fault("MCPS_PARSE", { reason: error instanceof Error ? error.message : "not JSON" });
  }
  const parsed = schemas.LogSearch.safeParse(body);
  if (!parsed.success) throw refused(parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`));
  const entries = Object.entries(parsed.data).map(([name, value]): [string, string] => [name, String(value)]);
  return new URLSearchParams(entries).toString();
}

export function trailRoutes({ records, maxResults, chainKeys }: RecordParts): AdminRoutes {
  const logs = async (query: string) =>
    pageOf(await records.listLog(recordQuery(query, LOG_FILTERS, maxResults)), logShown);
  return {
    "audit.list": {
      description: { answer: "AuditPage", query: parametersOf(AUDIT_FILTERS) },
      handle: async ({ request }) =>
        pageOf(await records.listAudit(recordQuery(request.query, AUDIT_FILTERS, maxResults)), auditShown),
    },
    "audit.verify": {
      description: { answer: "AuditVerdict", query: [parameter("writer", "Only this chain")] },
      async handle({ request }) {
        const writer = valuesOf(request.query, ["writer"]).get("writer");
        return { status: 200, body: await verifyChains(records, chainKeys, writer) };
      },
    },
    "security.list": {
      description: { answer: "SecurityPage", query: parametersOf(SECURITY_FILTERS) },
      handle: async ({ request }) =>
        pageOf(await records.listSecurity(recordQuery(request.query, SECURITY_FILTERS, maxResults)), securityShown),
    },
    "logs.list": {
      description: { answer: "LogPage", query: parametersOf(LOG_FILTERS) },
      handle: ({ request }) => logs(request.query),
    },
    "logs.search": {
      description: { answer: "LogPage", body: "LogSearch" },
      handle: ({ request }) => logs(searchQuery(request)),
    },
    "logs.trace": {
      description: { answer: "Trace" },
      async handle({ params: { correlationId = "" } }) {
        const query = { where: { correlationId }, limit: maxResults };
        const [log, audit] = await Promise.all([records.listLog(query), records.listAudit(query)]);
        return { status: 200, body: { log: log.rows.map(logShown), audit: audit.rows.map(auditShown) } };
      },
    },
  };
}

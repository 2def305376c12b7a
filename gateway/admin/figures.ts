/** Figures of calls: overview, the busiest and the worst, by the hour, of one item or server. */
import { fault } from "../../contract/errors.ts";
import type { QueryParameter } from "../../contract/rest.ts";
import { type CacheRecipe, createCache } from "../cache/index.ts";
import type { CallFigures, FigureQuery } from "../store/index.ts";
import { oneOf, parameter, refused, TIME_PARAMETERS, timeOf, valuesOf, wholeOf } from "./query.ts";
import { NOTHING, shown, shownItem, shownServer } from "./shown.ts";
import type { AdminRoute, AdminRoutes, RecordParts } from "./types.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const KINDS = ["tool", "resource", "prompt"] as const;
const ORDERS = { calls: "calls", errors: "failures", error_rate: "errorRate", time: "meanMs" } as const;
/** Of each kind in the overview. */
const TOP = 5;
const MAX_TOP = 200;
const MAX_DAYS = 366;
const SPAN = ["days", "from", "until"];

const SPAN_PARAMETERS: readonly QueryParameter[] = [
  parameter("days", "The last so many days, 7 when absent", { type: "integer", minimum: 1, maximum: MAX_DAYS }),
  ...TIME_PARAMETERS,
];

type Span = Pick<FigureQuery, "from" | "until">;

/** Without an end it is the end of this minute, so that a result can be kept at all. */
function spanOf(values: ReadonlyMap<string, string>, now: number): Span {
  const until = timeOf(values, "until") ?? (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS;
  return { from: timeOf(values, "from") ?? until - wholeOf(values, "days", 7, [1, MAX_DAYS]) * DAY_MS, until };
}

/** Conditions that are there; what is absent is left out. */
function conditions(values: ReadonlyMap<string, string>): Pick<FigureQuery, "kind" | "gatewayId" | "serverId"> {
  const kind = oneOf(values, "kind", KINDS);
  const [gatewayId, serverId] = [values.get("gatewayId"), values.get("serverId")];
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(gatewayId === undefined ? {} : { gatewayId }),
    ...(serverId === undefined ? {} : { serverId }),
  };
}

type Figures = (query: FigureQuery) => Promise<readonly CallFigures[]>;

export function figureRoutes(parts: RecordParts): AdminRoutes {
  const recipe: CacheRecipe<readonly CallFigures[]> = {
    name: "figures",
    ttlMs: parts.cacheTtlMs,
    maxEntries: 200,
    load: (key) => parts.records.figures(readKey(key)),
  };
  const kept = parts.caches?.create(recipe) ?? createCache({ ...recipe, now: parts.now });
  const figures: Figures = async (query) => (await kept.get(JSON.stringify(query))) ?? [];
  return {
    "metrics.overview": overview(parts, figures),
    "metrics.top": top(parts, figures),
    "metrics.timeseries": timeseries(parts, figures),
    "metrics.tool": single(parts, figures, "tool"),
    "metrics.resource": single(parts, figures, "resource"),
    "metrics.prompt": single(parts, figures, "prompt"),
    "metrics.server": server(parts, figures),
    "metrics.reset": reset(parts, () => kept.invalidateAll()),
  };
}

function overview({ now }: RecordParts, figures: Figures): AdminRoute {
  return {
    description: { answer: "MetricsOverview", query: SPAN_PARAMETERS },
    async handle({ request }) {
      const span = spanOf(valuesOf(request.query, SPAN), now());
      const byKind = await figures({ ...span, group: "kind", order: "calls", limit: KINDS.length });
      const top: Record<string, unknown> = {};
      for (const kind of KINDS)
        top[kind] = (await figures({ ...span, group: "item", kind, order: "calls", limit: TOP })).map(shownItem);
      top.server = (await figures({ ...span, group: "server", order: "calls", limit: TOP })).map(shownServer);
      const kinds = Object.fromEntries(byKind.map((row) => [row.kind, shown(row)]));
      const [from, until] = [new Date(span.from).toISOString(), new Date(span.until).toISOString()];
      return { status: 200, body: { from, until, kinds, top } };
    },
  };
}

function top({ now }: RecordParts, figures: Figures): AdminRoute {
  return {
    description: {
      answer: "MetricsTop",
      query: [
        parameter("kind", "Of what; items of every kind when absent", { enum: [...KINDS, "server"] }),
        parameter("by", "What counts, calls when absent", { enum: Object.keys(ORDERS) }),
        parameter("limit", "Rows, 20 when absent", { type: "integer", minimum: 1, maximum: MAX_TOP }),
        ...SPAN_PARAMETERS,
      ],
    },
    async handle({ request }) {
      const values = valuesOf(request.query, ["kind", "by", "limit", ...SPAN]);
      const kind = oneOf(values, "kind", [...KINDS, "server"]);
      const by = oneOf(values, "by", ["calls", "errors", "error_rate", "time"]) ?? "calls";
      const asked = { ...spanOf(values, now()), order: ORDERS[by], limit: wholeOf(values, "limit", 20, [1, MAX_TOP]) };
      if (kind === "server")
        return { status: 200, body: { rows: (await figures({ ...asked, group: "server" })).map(shownServer) } };
      const rows = await figures({ ...asked, group: "item", ...(kind === undefined ? {} : { kind }) });
      return { status: 200, body: { rows: rows.map(shownItem) } };
    },
  };
}

function timeseries({ now }: RecordParts, figures: Figures): AdminRoute {
  return {
    description: {
      answer: "MetricsTimeseries",
      query: [
        parameter("kind", "Only these", { enum: KINDS }),
        parameter("gateway_id", "Only those of this upstream"),
        parameter("server_id", "Only those by way of this virtual server"),
        ...SPAN_PARAMETERS,
      ],
    },
    async handle({ request }) {
      const values = valuesOf(request.query, ["kind", "gatewayId", "serverId", ...SPAN]);
      const asked = { ...spanOf(values, now()), ...conditions(values) };
      const rows = await figures({ ...asked, group: "hour", order: "hour", limit: MAX_DAYS * 24 });
      return {
        status: 200,
        body: { rows: rows.map((row) => ({ hour: new Date(row.hour).toISOString(), ...shown(row) })) },
      };
    },
  };
}

function single({ now, itemOf }: RecordParts, figures: Figures, kind: (typeof KINDS)[number]): AdminRoute {
  return {
    description: { answer: "CallFigures", query: SPAN_PARAMETERS },
    async handle({ request, params: { id = "" } }) {
      const span = spanOf(valuesOf(request.query, SPAN), now());
      const item = await itemOf(kind, id);
      if (item === undefined) throw fault("MCPS_ITEM_UNKNOWN", { kind, id: id.slice(0, 200) });
      const [found] = await figures({ ...span, group: "item", order: "calls", limit: 1, ...item });
      return { status: 200, body: found === undefined ? NOTHING : shown(found) };
    },
  };
}

function server({ now }: RecordParts, figures: Figures): AdminRoute {
  return {
    description: { answer: "CallFigures", query: SPAN_PARAMETERS },
    async handle({ request, params: { id = "" } }) {
      const span = spanOf(valuesOf(request.query, SPAN), now());
      const [found] = await figures({ ...span, group: "server", order: "calls", limit: 1, serverId: id });
      return { status: 200, body: found === undefined ? NOTHING : shown(found) };
    },
  };
}

function reset({ records, itemOf, flush }: RecordParts, forget: () => Promise<void>): AdminRoute {
  return {
    description: {
      answer: "MetricsDone",
      query: [
        parameter("kind", "Of one item: what it is; with id", { enum: KINDS }),
        parameter("id", "Of one item: its id; with kind"),
      ],
    },
    async handle({ request }) {
      const values = valuesOf(request.query, ["kind", "id"]);
      const [kind, id] = [oneOf(values, "kind", KINDS), values.get("id")];
      if ((kind === undefined) !== (id === undefined)) throw refused(["?kind and ?id go together"]);
      const item = kind === undefined || id === undefined ? undefined : await itemOf(kind, id);
      if (kind !== undefined && item === undefined)
        throw fault("MCPS_ITEM_UNKNOWN", { kind, id: (id ?? "").slice(0, 200) });
      // What waits here belongs to the time before.
      await flush();
      await records.resetCalls(item);
      await forget();
      return { status: 200, body: { status: "success" } };
    },
  };
}

/** Keys are made above and nowhere else. */
function readKey(key: string): FigureQuery {
  return JSON.parse(key);
}

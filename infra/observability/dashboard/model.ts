/** The part of Grafana's dashboard JSON that is written here, and how panels get their place in it. */

/** https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options/ */
export type Unit = "short" | "reqps" | "ops" | "s" | "bytes" | "percentunit";

export type Query = { readonly expr: string; readonly legend: string };

export type PanelText = {
  readonly title: string;
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** A number of the plan, drawn as a dashed line of this name. */
  readonly limit?: { readonly value: number; readonly name: string };
};

export type RowText = { readonly title: string; readonly panels: readonly PanelText[] };

type Place = { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
type Source = { readonly type: "prometheus"; readonly uid: string };

export type Target = {
  readonly refId: string;
  readonly datasource: Source;
  readonly expr: string;
  readonly legendFormat: string;
  readonly range: true;
};

type Override = {
  readonly matcher: { readonly id: "byName"; readonly options: string };
  readonly properties: readonly { readonly id: string; readonly value: unknown }[];
};

export type Row = {
  readonly id: number;
  readonly type: "row";
  readonly title: string;
  readonly collapsed: false;
  readonly gridPos: Place;
  readonly panels: readonly [];
};

export type Panel = {
  readonly id: number;
  readonly type: "timeseries";
  readonly title: string;
  readonly description: string;
  readonly datasource: Source;
  readonly gridPos: Place;
  readonly fieldConfig: {
    readonly defaults: { readonly unit: Unit; readonly min: 0; readonly custom: { readonly fillOpacity: number } };
    readonly overrides: readonly Override[];
  };
  readonly options: {
    readonly legend: { readonly displayMode: "list"; readonly placement: "bottom"; readonly showLegend: true };
    readonly tooltip: { readonly mode: "multi"; readonly sort: "desc" };
  };
  readonly targets: readonly Target[];
};

/** Grafana's grid has 24 columns. */
const COLUMNS = 24;
const PER_LINE = 3;
const WIDTH = COLUMNS / PER_LINE;
const HEIGHT = 8;

/** Chosen at the top of the dashboard. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own placeholder.
const SOURCE: Source = { type: "prometheus", uid: "${datasource}" };

/** Rows from top to bottom, three panels in a line; ids count from 1, so that the same plan gives the same text. */
export function layOut(rows: readonly RowText[]): readonly (Row | Panel)[] {
  const placed: (Row | Panel)[] = [];
  let y = 0;
  for (const { title, panels } of rows) {
    const gridPos = { h: 1, w: COLUMNS, x: 0, y };
    placed.push({ id: placed.length + 1, type: "row", title, collapsed: false, gridPos, panels: [] });
    y += 1;
    for (const [index, text] of panels.entries()) {
      const [line, column] = [Math.floor(index / PER_LINE), index % PER_LINE];
      const place = { h: HEIGHT, w: WIDTH, x: column * WIDTH, y: y + line * HEIGHT };
      placed.push(panelOf(placed.length + 1, text, place));
    }
    y += Math.ceil(panels.length / PER_LINE) * HEIGHT;
  }
  return placed;
}

function panelOf(id: number, { title, description, unit, queries, limit }: PanelText, gridPos: Place): Panel {
  const lines = limit === undefined ? queries : [...queries, { expr: `vector(${limit.value})`, legend: limit.name }];
  return {
    id,
    type: "timeseries",
    title,
    description,
    datasource: SOURCE,
    gridPos,
    fieldConfig: {
      defaults: { unit, min: 0, custom: { fillOpacity: 5 } },
      overrides: limit === undefined ? [] : [dashed(limit.name)],
    },
    options: {
      legend: { displayMode: "list", placement: "bottom", showLegend: true },
      tooltip: { mode: "multi", sort: "desc" },
    },
    targets: lines.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + index),
      datasource: SOURCE,
      expr,
      legendFormat: legend,
      range: true,
    })),
  };
}

function dashed(name: string): Override {
  return {
    matcher: { id: "byName", options: name },
    properties: [
      { id: "color", value: { mode: "fixed", fixedColor: "red" } },
      { id: "custom.lineStyle", value: { fill: "dash", dash: [10, 10] } },
      { id: "custom.fillOpacity", value: 0 },
    ],
  };
}

/** A picture of a plan: what it carries against load with the autoscaler's steps and the knee, and latency against load. */
import { capacityOf, type Fleet, fleetOf, latencyCurve, type Point, scalingSteps } from "./curves.ts";
import { figure, quantity } from "./numbers.ts";
import { axes, escapeXml, type Frame, legend, line, pathOf, place, tenth, textAt } from "./panel.ts";
import type { Subject } from "./subject.ts";
import { verdictOf } from "./verdict.ts";

const WIDTH = 960;
const HEIGHT = 900;
const LOAD = "load: requests per second at the gateway";
/** More labels than this would lie on each other. */
const MOST_LABELS = 6;

/** Both colour schemes by media query: pictures in a page cannot ask the page. Lines differ by dashes too, not by colour alone. */
const STYLE = `
text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
.back { fill: #ffffff; } .title { font-size: 18px; font-weight: 600; } .head { font-size: 15px; font-weight: 600; }
.label { font-size: 13px; } .tick { font-size: 12px; } .note { font-size: 12px; font-weight: 600; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
.grid { stroke: #d8dee4; stroke-width: 1; } .axis { stroke: #57606a; stroke-width: 1.5; }
path, .demand, .scaled, .served, .few, .fewtail, .many, .manytail { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.demand { stroke: #57606a; stroke-width: 1.5; stroke-dasharray: 2 4; } .scaled { stroke: #0550ae; } .served { stroke: #bc4c00; stroke-dasharray: 9 4; }
.few { stroke: #bc4c00; } .fewtail { stroke: #bc4c00; stroke-dasharray: 3 4; } .many { stroke: #0550ae; } .manytail { stroke: #0550ae; stroke-dasharray: 3 4; }
.mark { stroke: #57606a; stroke-width: 1.5; stroke-dasharray: 6 4; } .knee { fill: #cf222e; stroke: #ffffff; stroke-width: 2; }
.beyond { fill: #cf222e; fill-opacity: 0.08; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .note { stroke: #0d1117; } .back { fill: #0d1117; } .grid { stroke: #30363d; } .axis, .demand, .mark { stroke: #9198a1; }
.scaled, .many, .manytail { stroke: #79c0ff; } .served, .few, .fewtail { stroke: #f0883e; }
.knee { fill: #ff7b72; stroke: #0d1117; } .beyond { fill: #ff7b72; fill-opacity: 0.12; }
}`;

/** A standalone SVG document with a title and a description for those who do not see it. */
export function svgReport(subject: Subject): string {
  const fleet = fleetOf(subject);
  const { gatewayRps } = subject.document.plan.load;
  const most = 1.25 * Math.max(capacityOf(fleet, fleet.max), gatewayRps);
  const marks: Marks = {
    average: subject.document.plan.load.averageRps,
    peak: gatewayRps,
    knee: capacityOf(fleet, fleet.max),
  };
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escapeXml(`Capacity and latency of ${subject.title}`)}</title>`,
    `<desc id="description">${escapeXml(`${verdictOf(subject)} ${description(fleet, marks)}`)}</desc>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="back" width="${WIDTH}" height="${HEIGHT}"/>`,
    textAt(24, 32, `Capacity and latency of ${subject.title}`, "title"),
    textAt(24, 54, description(fleet, marks), "label"),
    ...capacityPanel(fleet, marks, most),
    ...latencyPanel(fleet, marks, most),
    "</svg>",
  ].join("\n")}\n`;
}

type Marks = { readonly average: number; readonly peak: number; readonly knee: number };

function description(fleet: Fleet, { peak, knee }: Marks): string {
  const most = quantity(fleet.max, "replicas");
  const replicas = fleet.min === fleet.max ? most : `${figure(fleet.min)} to ${most}`;
  return `Peak ${requests(peak)}; ${replicas}, together up to ${requests(knee)} (the knee), limited by ${fleet.limitedBy === "processor" ? "the processor" : "requests in flight"}.`;
}

function requests(rate: number): string {
  return quantity(rate >= 10 ? Math.round(rate) : Number(rate.toFixed(2)), "requests/s");
}

function capacityPanel(fleet: Fleet, marks: Marks, most: number): string[] {
  const frame: Frame = {
    left: 100,
    top: 130,
    width: 820,
    height: 280,
    x: { label: LOAD, most },
    y: { label: "requests per second", most },
  };
  const steps = scalingSteps(fleet);
  const stairs = steps.flatMap(([load, replicas], index): Point[] => {
    const end = steps[index + 1]?.[0] ?? most;
    const capacity = capacityOf(fleet, replicas);
    return [
      [Math.min(load, most), capacity],
      [Math.min(end, most), capacity],
    ];
  });
  const served: Point[] = [
    [0, 0],
    [marks.knee, marks.knee],
    [most, marks.knee],
  ];
  const [kneeX, kneeY] = place(frame, [marks.knee, marks.knee]);
  return [
    textAt(24, 92, "Capacity against load", "head"),
    ...legend(100, 114, [
      ["scaled", "capacity with the replicas that the autoscaler runs"],
      ["served", "served"],
      ["demand", "asked for"],
    ]),
    ...axes(frame),
    beyond(frame, marks.knee),
    `<path class="demand" d="${pathOf(frame, [
      [0, 0],
      [most, most],
    ])}"/>`,
    `<path class="scaled" d="${pathOf(frame, stairs)}"/>`,
    `<path class="served" d="${pathOf(frame, served)}"/>`,
    ...stepLabels(frame, fleet),
    ...verticals(frame, marks),
    `<circle class="knee" cx="${tenth(kneeX)}" cy="${tenth(kneeY)}" r="6"/>`,
  ];
}

/** Everything beyond the knee is refused or waits without end. */
function beyond({ top, height, left, width, ...frame }: Frame, knee: number): string {
  const [x] = place({ top, height, left, width, ...frame }, [knee, 0]);
  return `<rect class="beyond" x="${tenth(x)}" y="${tenth(top)}" width="${tenth(left + width - x)}" height="${tenth(height)}"/>`;
}

/** The number of replicas above their step; of many steps the first and the last. */
function stepLabels(frame: Frame, fleet: Fleet): string[] {
  const steps = scalingSteps(fleet);
  const shown =
    steps.length > MOST_LABELS ? steps.filter((_, index) => index === 0 || index === steps.length - 1) : steps;
  return shown.map(([load, replicas], index) => {
    const [x, y] = place(frame, [load, capacityOf(fleet, replicas)]);
    const name = index === 0 ? quantity(replicas, "replicas") : figure(replicas);
    return textAt(x + 6, y - 7, name, "note");
  });
}

function verticals(frame: Frame, { average, peak, knee }: Marks): string[] {
  const bottom = frame.top + frame.height;
  const marks: readonly (readonly [number, string])[] = [
    [average, "peak hour"],
    [peak, "peak of a burst"],
    [knee, "knee"],
  ];
  return marks.flatMap(([load, name], index) => {
    const [x] = place(frame, [load, 0]);
    const isFar = x > frame.left + 0.75 * frame.width;
    return [
      line(x, frame.top, x, bottom, "mark"),
      textAt(
        isFar ? x - 6 : x + 6,
        bottom - 10 - 18 * index,
        `${name} ${requests(load)}`,
        "note",
        isFar ? "end" : "start",
      ),
    ];
  });
}

function latencyPanel(fleet: Fleet, marks: Marks, most: number): string[] {
  const milliseconds = (points: readonly Point[]): Point[] => points.map(([load, seconds]) => [load, seconds * 1000]);
  const base = fleet.latencySeconds * 1000;
  const frame: Frame = {
    left: 100,
    top: 550,
    width: 820,
    height: 280,
    x: { label: LOAD, most },
    y: { label: "latency, ms", most: base + Math.max(base / 2, 20_000 * fleet.serviceSeconds) },
  };
  const curve = (kind: string, replicas: number, quantile?: number) =>
    `<path class="${kind}" d="${pathOf(frame, toWall(frame, milliseconds(latencyCurve(fleet, replicas, quantile)), capacityOf(fleet, replicas)))}"/>`;
  const isFixed = fleet.min === fleet.max;
  return [
    textAt(24, 512, "Latency against load (straight up: more is not carried)", "head"),
    ...legend(100, 534, [
      ...(isFixed
        ? []
        : ([
            ["few", `mean, ${quantity(fleet.min, "replicas")}`],
            ["fewtail", "p99 of the wait"],
          ] as const)),
      ["many", `mean, ${quantity(fleet.max, "replicas")}`],
      ["manytail", "p99 of the wait"],
    ]),
    ...axes(frame),
    beyond(frame, marks.knee),
    ...(isFixed ? [] : [curve("fewtail", fleet.min, 0.99), curve("few", fleet.min)]),
    curve("manytail", fleet.max, 0.99),
    curve("many", fleet.max),
    ...verticals(frame, marks),
  ];
}

/** Up to the upper edge at the load that cannot be carried. */
function toWall({ y }: Frame, points: readonly Point[], wall: number): Point[] {
  const inside = points.filter(([, value]) => value <= y.most);
  return [...inside, [wall, y.most]];
}

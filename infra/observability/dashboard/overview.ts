/** The dashboard of a stack: a row per tier, each figure beside the number that the plan has for it. */
import { createHash } from "node:crypto";
import type { Plan } from "../../../contract/plan.ts";
import type { Watch } from "../watch.ts";
import { pgbouncerRows, postgresRows, redisRows } from "./data.ts";
import { gatewayRow } from "./gateway.ts";
import { layOut, type Panel, type Row } from "./model.ts";
import { serviceRow, upstreamRow } from "./service.ts";
import { kubernetesRows, nginxRows } from "./surroundings.ts";

/** https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/ */
export type Dashboard = {
  /** At most 40 characters, the same for the same stack: a link to it lives on when it is written anew. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly schemaVersion: number;
  readonly editable: false;
  readonly timezone: "browser";
  readonly refresh: string;
  readonly time: { readonly from: string; readonly to: string };
  readonly templating: {
    readonly list: readonly {
      readonly name: "datasource";
      readonly label: string;
      readonly type: "datasource";
      readonly query: "prometheus";
    }[];
  };
  readonly panels: readonly (Row | Panel)[];
};

const UID_LENGTH = 40;

export function dashboardOf(plan: Plan, watch: Watch): Dashboard {
  return {
    uid: uidOf(watch.stack),
    title: `mcp-stack ${watch.stack}`,
    description: "Written from the plan of the stack: red lines are its numbers.",
    tags: ["mcp-stack"],
    schemaVersion: 39,
    editable: false,
    timezone: "browser",
    refresh: "30s",
    time: { from: "now-6h", to: "now" },
    templating: {
      list: [{ name: "datasource", label: "Data source", type: "datasource", query: "prometheus" }],
    },
    panels: layOut([
      serviceRow(plan, watch),
      gatewayRow(plan, watch),
      upstreamRow(watch),
      ...nginxRows(plan, watch),
      ...pgbouncerRows(plan, watch),
      ...postgresRows(plan, watch),
      ...redisRows(plan, watch),
      ...kubernetesRows(plan, watch),
    ]),
  };
}

/** Of a name that is too long, as much as there is room for beside a digest of it. */
function uidOf(stack: string): string {
  const uid = `mcp-stack-${stack}`;
  if (uid.length <= UID_LENGTH) return uid;
  const digest = createHash("sha256").update(stack).digest("hex").slice(0, 8);
  return `${uid.slice(0, UID_LENGTH - digest.length - 1)}-${digest}`;
}

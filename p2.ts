import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { deploymentOf, sizingOf } from "./infra/config.ts";
import { buildStack, ownGround } from "./infra/stack.ts";
import { kubernetesManifests, siteOf } from "./infra/targets/kubernetes/manifests/index.ts";
import { findingsOf } from "./infra/targets/kubernetes/preflight.ts";
import { printFinding } from "./infra/targets/kubernetes/rules/index.ts";

const y = parse(readFileSync("Pulumi.prod.yaml", "utf8"));
const r = buildStack("prod", sizingOf(y), deploymentOf(y), ownGround);
if (!r.ok) {
  console.log(r.text);
  process.exit(1);
}
console.log(JSON.stringify(r.built.topology.workloads.map((w) => [w.name, w.tier, w.after, w.command])));
const m = kubernetesManifests(r.built.topology, r.built.deployment);
console.log(m.map((x) => x.kind + "/" + x.metadata.name).join(" "));
for (const f of findingsOf(siteOf(r.built.topology, r.built.deployment), m)) console.log(printFinding(f));
console.log(
  r.built.topology.workloads
    .find((w) => w.name === "postgres")
    .files.map((f) => f.path + "\n" + f.text)
    .join("\n"),
);

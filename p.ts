import { kubernetesManifests } from "./infra/targets/kubernetes/manifests/index.ts";
import { schema, restricted, references, printFinding } from "./infra/targets/kubernetes/rules/index.ts";
import { topology, deploymentOf } from "./test/infra/targets/kubernetes/small.ts";
import { stringify } from "yaml";
const m = kubernetesManifests(topology, deploymentOf());
for (const one of m) console.log(`---\n${stringify(one, {aliasDuplicateObjects:false})}`);
const k = topology.plan.kernel.kubernetesMinor;
for (const f of [...schema(m), ...restricted(m, { kubernetesMinor: k }), ...references(m, {external: [], kubernetesMinor: k} as never)]) console.log(printFinding(f));

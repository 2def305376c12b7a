import { stringify } from "yaml";
import { kubernetesManifests } from "./infra/targets/kubernetes/manifests/index.ts";
import { printFinding, references, restricted, schema } from "./infra/targets/kubernetes/rules/index.ts";
import { deploymentOf, topology } from "./test/infra/targets/kubernetes/small.ts";

const m = kubernetesManifests(topology, deploymentOf());
for (const one of m) console.log(`---\n${stringify(one, { aliasDuplicateObjects: false })}`);
const k = topology.plan.kernel.kubernetesMinor;
for (const f of [
  ...schema(m),
  ...restricted(m, { kubernetesMinor: k }),
  ...references(m, { external: [], kubernetesMinor: k } as never),
])
  console.log(printFinding(f));

/** Every object of every stack and variant, before every judge. */
import { describe, expect, it } from "vitest";
import { kubernetesManifests, policiesOf, siteOf } from "../../../../infra/targets/kubernetes/manifests/index.ts";
import { findingsOf } from "../../../../infra/targets/kubernetes/preflight.ts";
import { network, printFinding } from "../../../../infra/targets/kubernetes/rules/index.ts";
import { checkNetworkPolicies } from "../../../../infra/topology/index.ts";
import { networkContextOf, ofOurs } from "./parties.ts";
import { VARIANTS } from "./stacks.ts";

describe.each(Object.entries(VARIANTS))("%s", (_, build) => {
  const { topology, deployment } = build();
  const site = siteOf(topology, deployment);
  const manifests = kubernetesManifests(topology, deployment);

  it("is what its schemas say, fits into restricted namespaces, and refers to nothing that is not there", () => {
    expect(findingsOf(site, manifests).map(printFinding)).toEqual([]);
  });

  it("lets through what the list of edges has, and nothing else", () => {
    expect(ofOurs(network(manifests, networkContextOf(site, manifests))).map(printFinding)).toEqual([]);
    expect(checkNetworkPolicies(topology.edges, policiesOf(site)).closed).toEqual([]);
  });

  it("is the same when it is rendered again", () => {
    expect(JSON.stringify(kubernetesManifests(topology, deployment))).toBe(JSON.stringify(manifests));
  });

  it("has every object once", () => {
    const names = manifests.map(
      ({ apiVersion, kind, metadata }) => `${apiVersion} ${kind} ${metadata.namespace ?? ""}/${metadata.name}`,
    );
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });
});

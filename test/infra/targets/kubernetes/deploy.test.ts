/** What the Pulumi layer registers, against mocks: the rendered objects and nothing else, in order, with secrets only where they belong. */
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { deployKubernetes } from "../../../../infra/targets/kubernetes/index.ts";
import { kubernetesManifests } from "../../../../infra/targets/kubernetes/manifests/index.ts";
import { registered } from "./registered.ts";
import { stackOf } from "./stacks.ts";

const prod = stackOf("prod");
const given = (key: string) => pulumi.secret(`given-${key}`);
const seen = await registered(() =>
  deployKubernetes(prod.topology, prod.deployment, { given, kubeconfig: pulumi.secret("the kubeconfig") }),
);

describe("prod", () => {
  it("x", () => {
    console.log(
      JSON.stringify(
        seen.resources.map((r) => [r.urn, r.parent, r.provider, r.dependsOn.length, r.isProtected, r.customTimeouts]),
        null,
        0,
      ).replaceAll("],[", "],\n["),
    );
    console.log(
      JSON.stringify(
        seen.resources.filter(
          (r) =>
            r.type.includes("Secret") ||
            r.type.includes("Provider") ||
            (r.name === "gateway" && r.type.includes("Deployment")),
        ),
        null,
        1,
      ),
    );
    console.log(seen.outputs);
    expect(kubernetesManifests(prod.topology, prod.deployment).length).toBe(seen.resources.length);
  });
});

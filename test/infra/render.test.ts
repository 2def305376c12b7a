/** The stacks of this repository as files: the reviewable copies under test/golden/<stack>, which `vitest run test/infra/render.test.ts -u` renews. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { renderStack } from "../../infra/render.ts";
import { kubernetesManifests } from "../../infra/targets/kubernetes/manifests/index.ts";
import { built } from "./topology/stacks.ts";

const GOLDEN = join(import.meta.dirname, "..", "golden");
const TAG = () => "0".repeat(20);
const STACKS = ["dev", "local", "prod"] as const;

describe.each(STACKS)("stack %s", (stack) => {
  const rendering = renderStack(built(stack), TAG);

  it.each([...rendering])("%s", async (path, text) => {
    await expect(text).toMatchFileSnapshot(join(GOLDEN, stack, path));
  });

  it("leaves no file behind that it does not write any more", () => {
    expect(
      globSync("**/*", { cwd: join(GOLDEN, stack), withFileTypes: true }).filter((one) => one.isFile()).length,
    ).toBe(rendering.size);
  });
});

describe("the rendering of prod", () => {
  const rendering = renderStack(built("prod"), TAG);

  it("is the objects that Pulumi registers, but for the Secrets", () => {
    const { topology, deployment } = built("prod");
    const objects = [...rendering].flatMap(([path, text]) =>
      path.startsWith("kubernetes/") ? parseAllDocuments(text).map((document) => document.toJS()) : [],
    );
    const key = (one: { kind: string; metadata: { name: string } }) => `${one.kind}/${one.metadata.name}`;
    const plain: unknown = JSON.parse(JSON.stringify(kubernetesManifests(topology, deployment)));
    if (!Array.isArray(plain)) throw new Error("no list");
    expect(objects.toSorted((a, b) => key(a).localeCompare(key(b)))).toEqual(
      plain.toSorted((a, b) => key(a).localeCompare(key(b))),
    );
  });

  it("names its secrets and holds none", () => {
    const { secrets } = built("prod").topology;
    expect(JSON.parse(rendering.get("secrets.json") ?? "")).toEqual(secrets);
  });

  it("is read from the files that stand in the repository", () => {
    expect(readFileSync(join(GOLDEN, "prod", "edges.txt"), "utf8")).toContain("ingress -> nginx TCP 8080");
  });
});

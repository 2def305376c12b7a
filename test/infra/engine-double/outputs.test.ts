import { describe, expect, it } from "vitest";
import { isSecret, plain, UNKNOWN } from "./index.ts";
import { idOf, outputsOf } from "./outputs.ts";

const PASSWORD = "random:index/randomPassword:RandomPassword";

function generate(type: string, inputs: Record<string, unknown>, isPreview = false) {
  return outputsOf({ type, name: "it", inputs, isPreview }, []);
}

describe("what a double's providers answer", () => {
  it("is the inputs, where the type makes nothing itself", () => {
    expect(generate("docker:index/container:Container", { name: "mcp", restart: "always" })).toMatchObject({
      name: "mcp",
      restart: "always",
    });
  });

  it("is a subnet that the engine has chosen for a network", () => {
    expect(generate("docker:index/network:Network", { name: "mcp", internal: true })).toEqual({
      name: "mcp",
      internal: true,
      ipamConfigs: [{ subnet: "172.31.42.0/24", gateway: "172.31.42.1" }],
    });
  });

  it("is the same password for the same keepers and another one for others, of the length that was asked for", () => {
    const make = (version: string) => generate(PASSWORD, { length: 40, keepers: { version } }).result;
    expect(make("1")).toEqual(make("1"));
    expect(isSecret(make("1"))).toBe(true);
    expect(plain(make("1"))).toMatch(/^[0-9a-f]{40}$/);
    expect(plain(make("2"))).not.toBe(plain(make("1")));
  });

  it("is a digest of an image, without its tag, and unknown in a preview", () => {
    const inputs = { imageName: "registry.example:5000/mcp/gateway:1.0" };
    expect(generate("docker:index/image:Image", inputs).repoDigest).toMatch(
      /^registry\.example:5000\/mcp\/gateway@sha256:[0-9a-f]{64}$/,
    );
    expect(generate("docker:index/image:Image", inputs, true).repoDigest).toBe(UNKNOWN);
  });

  it("hides what the program says is secret", () => {
    const asked = {
      type: "kubernetes:core/v1:Secret",
      name: "s",
      inputs: { stringData: { a: "b" } },
      isPreview: false,
    };
    const outputs = outputsOf(asked, ["data", "stringData"]);
    expect(Object.entries(outputs).map(([key, value]) => [key, isSecret(value)])).toEqual([
      ["stringData", true],
      ["metadata", false],
    ]);
  });

  it("has ids as the providers form them, and none in a preview", () => {
    const named = { metadata: { name: "cache", namespace: "mcp" } };
    const asked = { type: "kubernetes:core/v1:ConfigMap", name: "c", inputs: named, isPreview: false };
    expect([
      idOf(asked),
      idOf({ ...asked, isPreview: true }),
      idOf({ ...asked, type: "docker:index/volume:Volume" }),
    ]).toEqual(["mcp/cache", "", "c-id"]);
  });
});

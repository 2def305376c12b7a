/** Exactly one layer of a stack compresses. */
import { describe, expect, it } from "vitest";
import { built, workload } from "./stacks.ts";

describe("compression", () => {
  it.each([
    ["dev", "gateway", {}, "nginx"],
    ["prod", "gateway", {}, "nginx"],
    ["local", "gateway-1", {}, "nginx"],
    ["dev", "gateway", { gateway: { compression: "gateway" } }, "gateway"],
  ] as const)("of %s is the work of one layer (%s, %o: %s)", (stack, name, deployment, layer) => {
    const { topology } = built(stack, { deployment });
    const conf = workload(topology, "nginx").files.find(({ text }) => text.includes("gzip "))?.text ?? "";
    expect({
      gateway: workload(topology, name).environment.COMPRESSION_ENABLED,
      nginx: [...conf.matchAll(/^\s*gzip (on|off);/gm)].map(([, word]) => word),
    }).toEqual({ gateway: String(layer === "gateway"), nginx: [layer === "nginx" ? "on" : "off"] });
  });
});

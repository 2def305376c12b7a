/** How values are written for Kubernetes, over many of them: nothing is lost, nothing is replaced, nothing is rounded down. */
import { BlockList, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assignmentsOf } from "../../../../infra/targets/kubernetes/manifests/assignments.ts";
import { literal } from "../../../../infra/targets/kubernetes/manifests/command.ts";
import {
  cpu,
  gibibytes,
  mebibytes,
  percent,
  seconds,
} from "../../../../infra/targets/kubernetes/manifests/quantity.ts";
import { containsNetwork } from "../../../../infra/topology/index.ts";

/** What the kubelet does: third_party/forked/golang/expansion in the sources of Kubernetes. */
function expanded(text: string, variables: Readonly<Record<string, string>>): string {
  let out = "";
  for (let at = 0; at < text.length; at += 1) {
    const next = text[at + 1];
    const end = text.indexOf(")", at);
    if (text[at] !== "$" || next === undefined) out += text[at];
    else if (next === "$") {
      out += "$";
      at += 1;
    } else if (next === "(" && end !== -1) {
      const name = text.slice(at + 2, end);
      out += variables[name] ?? `$(${name})`;
      at = end;
    } else out += "$";
  }
  return out;
}

describe("what is written", () => {
  it("reaches a process as it is, whatever variables there are", () => {
    const text = fc
      .array(fc.constantFrom("$", "(", ")", "A", "HOME", " ", "$(A)", "$$"))
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, (one) => {
        expect(expanded(literal(one), { A: "replaced", HOME: "/root", "": "empty" })).toBe(one);
      }),
    );
    expect(expanded("$(A) $$(A)", { A: "replaced" })).toBe("replaced $(A)");
  });

  it("is at least what was asked for, and less than one step more", () => {
    const cores = (text: string) => (text.endsWith("m") ? Number(text.slice(0, -1)) / 1000 : Number(text));
    const mebi = (text: string) => (text.endsWith("Gi") ? Number(text.slice(0, -2)) * 1024 : Number(text.slice(0, -2)));
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 10_000, noNaN: true }), (value) => {
        expect(cores(cpu(value)) - value).toBeGreaterThan(-1e-8);
        expect(cores(cpu(value)) - value).toBeLessThan(0.001);
        expect(mebi(mebibytes(value)) - value).toBeGreaterThan(-1e-5);
        expect(mebi(mebibytes(value)) - value).toBeLessThan(1);
        expect(seconds(value) - value).toBeGreaterThan(-1e-8);
      }),
    );
  });

  it("is in the form in which an API server gives it back", () => {
    expect([2, 0.25, 1.5, 0.1 + 0.2].map(cpu)).toEqual(["2", "250m", "1500m", "300m"]);
    expect([512, 1024, 1536, 0.5].map(mebibytes)).toEqual(["512Mi", "1Gi", "1536Mi", "1Mi"]);
    expect([20, 0.5, 1.5].map(gibibytes)).toEqual(["20Gi", "512Mi", "1536Mi"]);
    expect([0, 0.25, 1 / 3, 1].map(percent)).toEqual(["0%", "25%", "33%", "100%"]);
  });

  it("knows which network lies within which", () => {
    const ipv4 = fc
      .tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }))
      .map(([address, prefix]) => `${address}/${prefix}`);
    const ipv6 = fc
      .tuple(fc.ipV6(), fc.integer({ min: 0, max: 128 }))
      .map(([address, prefix]) => `${address}/${prefix}`);
    const network = fc.oneof(ipv4, ipv6);
    fc.assert(
      fc.property(network, network, (outer, inner) => {
        expect(containsNetwork(outer, inner)).toBe(hasBothEnds(outer, inner));
      }),
    );
    fc.assert(
      fc.property(network, (one) => {
        expect(containsNetwork(one, one)).toBe(true);
      }),
    );
  });

  it("reads what our own renderers write", () => {
    const text = "[pgbouncer]\n# jit = on\nlisten_addr = 0.0.0.0\nunix_socket_dir =\njit = off\nname = 'it''s'\n";
    expect(assignmentsOf(text)).toEqual([
      ["listen_addr", "0.0.0.0"],
      ["jit", "off"],
      ["name", "it's"],
    ]);
  });
});

/** Another way to the same answer: a network lies in another when its first and its last address do. */
function hasBothEnds(outer: string, inner: string): boolean {
  const [wide = "", width] = outer.split("/");
  const [narrow = "", depth] = inner.split("/");
  if (isIPv6(wide) !== isIPv6(narrow)) return false;
  const family = isIPv6(wide) ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(wide, Number(width), family);
  return endsOf(narrow, Number(depth)).every((address) => list.check(address, family));
}

function endsOf(address: string, prefix: number): readonly string[] {
  const bits = isIPv6(address) ? 128n : 32n;
  const value = isIPv6(address) ? parsed6(address) : parsed4(address);
  const free = (1n << (bits - BigInt(prefix))) - 1n;
  return [value & ~free, value | free].map((one) => (bits === 32n ? written4(one) : written6(one)));
}

function parsed4(address: string): bigint {
  return address.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

function written4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
}

function parsed6(address: string): bigint {
  const plain = address.replace(/(\d+\.\d+\.\d+\.\d+)$/, (dotted) => {
    const value = parsed4(dotted);
    return `${(value >> 16n).toString(16)}:${(value & 65_535n).toString(16)}`;
  });
  const [head = "", tail] = plain.split("::");
  const words = (text: string) => text.split(":").filter((word) => word !== "");
  const [first, last] = [words(head), words(tail ?? "")];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0");
  const all = tail === undefined ? first : [...first, ...zeros, ...last];
  return all.reduce((sum, word) => sum * 65_536n + BigInt(`0x${word}`), 0n);
}

function written6(value: bigint): string {
  return Array.from({ length: 8 }, (_, at) => ((value >> BigInt(112 - 16 * at)) & 65_535n).toString(16)).join(":");
}

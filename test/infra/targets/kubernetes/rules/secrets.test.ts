import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Manifest } from "../../../../../infra/targets/kubernetes/manifest.ts";
import { printFinding, secrets } from "../../../../../infra/targets/kubernetes/rules/index.ts";
import { configMap, deployment, gateway, including, put, secret } from "./objects.ts";

const PASSWORD = "k3y/with+signs=";
const context = { secrets: [PASSWORD] };
const WHY = "whoever may read this object, its history or a log of it may read the secret";

function find(...changed: readonly Manifest[]) {
  return secrets(including(...changed), context).map(({ object, field, value }) => [object, field, value]);
}

describe("the scan for leaks", () => {
  it("finds nothing where secrets stand in Secrets", () => {
    expect(secrets(deployment, context)).toEqual([]);
    expect(secrets([put(secret, "data", { KEY: Buffer.from(PASSWORD).toString("base64") })], context)).toEqual([]);
  });

  it.each([
    ["as it is", `a ${PASSWORD} b`, "a secret"],
    ["percent-encoded", `postgres://u:${encodeURIComponent(PASSWORD)}@h/d`, "a secret, percent-encoded"],
    ["in base64", Buffer.from(`user:${PASSWORD}:x`).toString("base64"), "a secret, in base64"],
    ["in base64url", Buffer.from(`~~${PASSWORD}`).toString("base64url"), "a secret, in base64"],
  ])("finds one %s, and does not show it", (_, text, value) => {
    expect(secrets(including(put(configMap, "data.LOG_LEVEL", text)), context)).toEqual([
      {
        rule: "secrets/leak",
        object: "ConfigMap/gateway",
        field: "data.LOG_LEVEL",
        value,
        allowed: "a reference to a Secret",
        why: WHY,
      },
    ]);
  });

  it("looks everywhere: variables, arguments, annotations, names of keys, a Secret's own metadata", () => {
    const container = "spec.template.spec.containers[0]";
    expect(
      find(
        put(put(gateway, `${container}.env[0]`, { name: "KEY", value: PASSWORD }), `${container}.args`, [PASSWORD]),
        put(configMap, "data", { [PASSWORD]: "1" }),
        put(secret, "metadata.annotations", { checksum: `x${PASSWORD}` }),
      ),
    ).toEqual([
      ["ConfigMap/gateway", "the name of a key", "a secret"],
      ["Secret/gateway", "metadata.annotations.checksum", "a secret"],
      ["Deployment/gateway", `${container}.env[0].value`, "a secret"],
      ["Deployment/gateway", `${container}.args[0]`, "a secret"],
    ]);
  });

  it("finds any secret within any text, in every form, and never prints it", () => {
    const value = fc.string({ minLength: 8, maxLength: 40, unit: "binary-ascii" });
    const forms = [
      (text: string) => text,
      encodeURIComponent,
      (text: string) => Buffer.from(text).toString("base64"),
      (text: string) => Buffer.from(text).toString("base64url"),
      (text: string) => JSON.stringify({ text }),
    ];
    fc.assert(
      fc.property(value, fc.string(), fc.string(), fc.constantFrom(...forms), (text, before, after, form) => {
        const holder = put(configMap, "data", { it: form(before + text + after) });
        const findings = secrets([holder], { secrets: [text] });
        expect(findings.map(({ field }) => field)).toEqual(["data.it"]);
        const printed = findings.map(printFinding).join();
        const usual = `ConfigMap/gateway: data.it is a secret, allowed is a reference to a Secret; ${WHY}`;
        expect(printed.includes(text) && !usual.includes(text)).toBe(false);
      }),
    );
  });

  it("leaves short values out: they are in anything", () => {
    expect(secrets(deployment, { secrets: ["gateway", "", "1"] })).toEqual([]);
  });
});

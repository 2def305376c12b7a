/** The real program, run as its language host runs it, before the engine double: what a preview and an update of each stack register. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DEPLOYMENT_KEY, SIZING_KEY } from "../../infra/config.ts";
import { kubernetesManifests } from "../../infra/targets/kubernetes/manifests/index.ts";
import { isSecret, manifestsOf, plain, type Run, runProgram, UNKNOWN } from "./engine-double/index.ts";
import { built, stackFile } from "./topology/stacks.ts";

const DIRECTORY = join(import.meta.dirname, "..", "..", "infra");
const LIMIT_MS = 120_000;

type Changes = {
  readonly sizing?: object;
  readonly deployment?: object;
  readonly secrets?: Readonly<Record<string, string>>;
};

async function run(stack: string, preview: boolean, changes: Changes = {}): Promise<Run> {
  const { sizing, deployment } = stackFile(stack);
  const { secrets = {} } = changes;
  return await runProgram({
    directory: DIRECTORY,
    stack,
    config: {
      [SIZING_KEY]: { ...sizing, ...changes.sizing },
      [DEPLOYMENT_KEY]: { ...deployment, ...changes.deployment },
      ...secrets,
    },
    secretKeys: Object.keys(secrets),
    preview,
  });
}

const types = ({ resources }: Run) => resources.map(({ type, name }) => `${type.split(":").at(-1)} ${name}`);
const errors = ({ logs }: Run) => logs.filter(({ severity }) => severity === "error").map(({ message }) => message);

describe(
  "prod",
  async () => {
    const [preview, update] = [await run("prod", true), await run("prod", false)];

    it("ends well in a preview and in an update, with the same resources in both", () => {
      expect([preview.exitCode, errors(preview), update.exitCode, errors(update)]).toEqual([0, [], 0, []]);
      expect(types(preview).toSorted()).toEqual(types(update).toSorted());
    });

    it("registers the rendered objects; only Secrets hold what a preview does not know", () => {
      const { topology, deployment } = built("prod");
      const rendered = JSON.parse(JSON.stringify(kubernetesManifests(topology, deployment)));
      const key = (one: { kind: string; metadata: { name: string } }) => `${one.kind}/${one.metadata.name}`;
      const byKey = (list: readonly { kind: string; metadata: { name: string } }[]) =>
        Object.fromEntries(list.map((one) => [key(one), one]));
      const [expected, found] = [
        byKey(rendered),
        byKey(manifestsOf(preview).filter(({ kind }) => kind !== "undefined")),
      ];
      expect(Object.keys(found).toSorted()).toEqual(Object.keys(expected).toSorted());
      const isOpaque = (name: string) => name.startsWith("Secret/");
      for (const name of Object.keys(expected).filter((one) => !isOpaque(one)))
        expect(found[name]).toEqual(expected[name]);
      const unknown = Object.keys(found).filter((name) => JSON.stringify(found[name]).includes(UNKNOWN));
      expect(unknown).toEqual(Object.keys(found).filter(isOpaque));
    });

    it("keeps every secret within Secrets, marked as one", () => {
      const made = update.resources.filter(({ type }) => type === "random:index/randomPassword:RandomPassword");
      expect(made.map(({ name }) => name)).toEqual(built("prod").topology.secrets.map(({ name }) => name));
      const values = secretsOf(update);
      expect(values.length).toBe(made.length);
      const others = update.resources.filter(({ type }) => !type.endsWith(":Secret"));
      const leaks = others.flatMap(({ name, inputs }) =>
        values.filter((value) => JSON.stringify(plain(inputs)).includes(value)).map(() => name),
      );
      expect([leaks, values.filter((value) => JSON.stringify(plain(update.outputs)).includes(value))]).toEqual([
        [],
        [],
      ]);
      for (const { type, inputs } of update.resources)
        if (type.endsWith(":Secret")) expect(isSecret(inputs.stringData)).toBe(true);
    });

    it("answers with small, plain outputs", () => {
      expect(plain(update.outputs)).toMatchObject({
        url: "https://mcp.example.com",
        namespace: "mcp",
        plan: { verdict: "holds", replicas: { min: 3, max: 4 }, gatewayRps: 4320 },
      });
      expect(plain(preview.outputs)).toEqual(plain(update.outputs));
    });
  },
  LIMIT_MS,
);

/** Values that the double has made for the passwords, found where they ended up: in URLs, in SQL, in lists and alone. */
function secretsOf(update: Run): readonly string[] {
  const texts = update.resources
    .filter(({ type }) => type.endsWith(":Secret"))
    .flatMap(({ inputs }) => Object.values(Object(plain(inputs.stringData))).map(String));
  return [...new Set(texts.flatMap((text) => text.match(/(?<![A-Za-z0-9])[A-Za-z0-9]{48}(?![A-Za-z0-9])/g) ?? []))];
}

describe(
  "dev",
  async () => {
    const [preview, update] = [await run("dev", true), await run("dev", false)];

    it("ends well in a preview, where the image is unknown, and in an update, with the same resources", () => {
      expect([preview.exitCode, errors(preview), update.exitCode, errors(update)]).toEqual([0, [], 0, []]);
      expect(types(preview).toSorted()).toEqual(types(update).toSorted());
    });

    it("answers with where it is", () => {
      expect(plain(update.outputs)).toMatchObject({ url: "http://127.0.0.1:8080", plan: { verdict: "holds" } });
    });
  },
  LIMIT_MS,
);

describe("what does not hold is refused before anything is registered", () => {
  const nothing = ["Stack mcp-stack-prod"];

  it(
    "a plan, with its inequality and what repairs it",
    async () => {
      const sizing = { database: { pgbouncer: { instances: 2 }, postgres: { cpu: 8, memory: "32Gi", ceiling: 20 } } };
      const refused = await run("prod", true, { sizing });
      expect([refused.exitCode, types(refused)]).toEqual([32, nothing]);
      expect(errors(refused).join("\n")).toContain("Refused: ");
      expect(errors(refused).join("\n")).toMatch(/repairs it/);
    },
    LIMIT_MS,
  );

  it(
    "a secret that nobody has set, with the command that sets it",
    async () => {
      const postgres = { variant: "external", host: "db.example.com", networks: ["203.0.113.0/24"] };
      const missing = await run("prod", true, { deployment: { postgres } });
      expect([missing.exitCode, types(missing)]).toEqual([32, nothing]);
      expect(errors(missing).join("\n")).toContain(
        "mcp-stack:databasePassword is not set: pulumi config set --secret mcp-stack:databasePassword (password of gateway in the managed PostgreSQL)",
      );
      const given = await run("prod", true, {
        deployment: { postgres },
        secrets: { "mcp-stack:databasePassword": "of-the-managed-one" },
      });
      expect([given.exitCode, errors(given)]).toEqual([0, []]);
      const outside = given.resources.filter(({ type }) => !type.endsWith(":Secret"));
      expect(outside.filter(({ inputs }) => JSON.stringify(plain(inputs)).includes("of-the-managed-one"))).toEqual([]);
    },
    LIMIT_MS,
  );

  it(
    "an image by tag, a feature that the cluster's minor has not",
    async () => {
      const { images, kubernetes } = Object(stackFile("prod").deployment);
      const tagged = await run("prod", true, { deployment: { images: { ...images, nginx: {} }, kubernetes } });
      expect([tagged.exitCode, types(tagged)]).toEqual([32, nothing]);
      expect(errors(tagged).join("\n")).toContain("deployment.images.nginx.reference");
    },
    LIMIT_MS,
  );
});

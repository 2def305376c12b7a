/** The Pulumi program: configuration → plan → topology → target. A stack that does not hold fails here, before anything is registered. */
import { resolve } from "node:path";
import { Config, getStack, type Output, RunError } from "@pulumi/pulumi";
import { DEPLOYMENT_KEY, SIZING_KEY } from "./config.ts";
import { type BuiltStack, buildStack, ownGround } from "./stack.ts";

type Outputs = Readonly<Record<string, unknown>>;

/** Its answer becomes the stack's outputs. Throws RunError with the text that the preview shows. */
export default async function program(): Promise<Outputs> {
  const config = new Config();
  const part = (key: string) => config.getObject(nameOf(key));
  const result = buildStack(getStack(), part(SIZING_KEY), part(DEPLOYMENT_KEY), ownGround);
  if (!result.ok) throw new RunError(`\n${result.text}`);
  return { ...(await deploy(result.built, givenSecrets(config, result.built))), plan: summaryOf(result.built) };
}

/** A secret of the configuration by its key; all that are needed are there, or the program ends with the command that sets them. */
function givenSecrets(config: Config, { topology }: BuiltStack): (key: string) => Output<string> {
  const missing = topology.secrets.flatMap((secret) =>
    secret.kind === "given" && config.getSecret(nameOf(secret.key)) === undefined
      ? [`${secret.key} is not set: pulumi config set --secret ${secret.key} (${secret.why})`]
      : [],
  );
  if (missing.length > 0) throw new RunError(`\n${missing.join("\n")}`);
  return (key) => config.requireSecret(nameOf(key));
}

async function deploy({ topology, deployment }: BuiltStack, given: (key: string) => Output<string>): Promise<Outputs> {
  if (deployment.target === "docker") {
    const { deployDocker } = await import("./targets/docker/index.ts");
    return deployDocker(topology, deployment, {
      projectDirectory: resolve(import.meta.dirname, ".."),
      readSecret: given,
    });
  }
  const { deployKubernetes } = await import("./targets/kubernetes/index.ts");
  return deployKubernetes(topology, deployment, { kubeconfig: new Config().getSecret("kubeconfig"), given });
}

/** Small and plain, so that a review sees what a change of capacity is. */
function summaryOf({ document }: BuiltStack) {
  const { plan, budgets, warnings } = document;
  const [tightest] = budgets.toSorted((one, other) => one.headroom - other.headroom);
  return {
    verdict: warnings.length === 0 ? "holds" : `holds, with ${warnings.length} warnings`,
    budgets: budgets.length,
    tightest: tightest && { id: tightest.id, statement: tightest.statement, headroom: tightest.headroom },
    replicas: { min: plan.gateway.replicas.min, max: plan.gateway.replicas.max },
    gatewayRps: plan.load.gatewayRps,
    maxConnections: plan.postgres.maxConnections,
  };
}

/** Without the project's name, as Config wants it. */
function nameOf(key: string): string {
  return key.slice(key.indexOf(":") + 1);
}

/**
 * Loaded before Pulumi's runner of policy packs (`node --import`): the runner registers ts-node whatever PulumiPolicy.yaml says, and the
 * one that it brings does not know TypeScript 7. Node runs the types as they are, so that there is nothing to register.
 */
import { registerHooks } from "node:module";

const NO_COMPILER = new URL("./no-compiler.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "ts-node" ? { url: NO_COMPILER, shortCircuit: true } : next(specifier, context),
});

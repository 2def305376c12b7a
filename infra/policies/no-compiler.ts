/** Takes ts-node's place in front of Pulumi's runner of policy packs: see runner.ts. */

/** What the runner asks for; there is nothing to compile. */
export function register(): void {}

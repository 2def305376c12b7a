/** The tools of REST upstreams in memory: read when an upstream is first used in a revision, compiled when a tool is first called. */
import { fault } from "../../../contract/errors.ts";
import { BoundedMap } from "../bounded.ts";
import type { UpstreamTarget } from "../types.ts";
import { type RestOperation, restOperation, type StoredRestTool } from "./operation.ts";
import { type Check, compileCheck, lazyCheck } from "./validator.ts";

/** Where the tools are kept: all of an upstream, in the order of their lists. */
export type RestToolSource = (upstreamId: string) => Promise<readonly StoredRestTool[]>;

export type RestTool = {
  readonly name: string;
  readonly definition: Buffer;
  readonly operation: RestOperation;
  readonly checkInput: Check;
  readonly checkOutput: Check;
  /** It has an output schema. */
  readonly isStructured: boolean;
};

export type RestToolSet = {
  readonly revision: string;
  readonly definitions: readonly StoredRestTool[];
  /** Throws MCPS_UPSTREAM_PROTOCOL for a stored tool that cannot be read. */
  get(name: string): RestTool | undefined;
};

const MAX_SETS = 1000;

export class RestTools {
  readonly #source: RestToolSource;
  readonly #sets = new BoundedMap<RestToolSet>(MAX_SETS);
  readonly #loading = new Map<string, Promise<RestToolSet>>();

  constructor(source: RestToolSource) {
    this.#source = source;
  }

  /** At once when they are known. */
  of(target: UpstreamTarget): RestToolSet | Promise<RestToolSet> {
    const known = this.#sets.get(target.id);
    if (known?.revision === target.revision) return known;
    const key = `${target.id}\n${target.revision}`;
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#load(target).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  async #load(target: UpstreamTarget): Promise<RestToolSet> {
    const set = toolSet(target, await this.#source(target.id));
    this.#sets.set(target.id, set);
    return set;
  }

  forget(targetId: string): void {
    this.#sets.delete(targetId);
  }
}

function toolSet({ revision, slug }: UpstreamTarget, definitions: readonly StoredRestTool[]): RestToolSet {
  const stored = new Map(definitions.map((one) => [one.name, one]));
  const compiled = new Map<string, RestTool>();
  return {
    revision,
    definitions,
    get(name) {
      const known = compiled.get(name);
      if (known !== undefined) return known;
      const one = stored.get(name);
      if (one === undefined) return undefined;
      try {
        const tool = compile(one);
        compiled.set(name, tool);
        return tool;
      } catch (error) {
        const reason = `its tool ${name} cannot be used: ${error instanceof Error ? error.message : String(error)}`;
        throw fault("MCPS_UPSTREAM_PROTOCOL", { upstream: slug, reason });
      }
    },
  };
}

/** Throws when an operation or a schema of it cannot be read. */
export function compile({ name, definition, operation }: StoredRestTool): RestTool {
  const shown: unknown = JSON.parse(definition);
  const schemas = typeof shown === "object" && shown !== null ? shown : {};
  const input: unknown = "inputSchema" in schemas ? schemas.inputSchema : { type: "object" };
  const output: unknown = "outputSchema" in schemas ? schemas.outputSchema : undefined;
  return {
    name,
    definition: Buffer.from(definition),
    operation: restOperation.parse(JSON.parse(operation)),
    checkInput: compileCheck(input),
    isStructured: output !== undefined,
    checkOutput: output === undefined ? () => undefined : lazyCheck(output),
  };
}

/**
 * The sizing inputs: what a person says, with unit, bounds, default and the source of the default. The only list of them; each group
 * stands in a file of its own.
 */
import type { Calibration } from "../../contract/calibration.ts";
import { choice, listFields, type ValueOf } from "./field.ts";
import { database } from "./inputs/database.ts";
import { cluster, data, prices, security } from "./inputs/surroundings.ts";
import { gateway, nginx, redis } from "./inputs/tiers.ts";
import { load, mcp } from "./inputs/workload.ts";

export const declarations = {
  environment: choice(["dev", "prod"], {
    description: "What the deployment is for: dev may run single instances and guesses, prod may not",
  }),
  load,
  gateway,
  database,
  redis,
  nginx,
  mcp,
  cluster,
  data,
  security,
  prices,
} as const;

/** Pinned numbers of the plan by path; each is proved like a derived one. */
export type Pins = Readonly<Record<string, number | string | boolean>>;

/** Inputs as the kernels take them: parsed, complete, memory in MiB. */
export type SizingInput = ValueOf<typeof declarations> & {
  readonly given: Pins;
  readonly calibration?: Calibration | undefined;
  /** Paths that were written, the rest are defaults. */
  readonly stated: ReadonlySet<string>;
};

/** Every input by path, in the order of declaration. */
export const inputFields = listFields(declarations);

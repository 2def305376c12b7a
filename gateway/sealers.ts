/** Sealers from key ring settings. Part of the composition root. */
import { fault } from "../contract/errors.ts";
import { createSealer, parseKeyRing, type Sealer } from "./sessions/index.ts";

/** A sealer from a key ring setting; what is wrong with the ring is told under the setting's name. */
export function sealerOf(ring: string, name: string): Sealer {
  try {
    return createSealer(parseKeyRing(ring));
  } catch (error) {
    throw fault("MCPS_SETTINGS", {
      count: 1,
      problems: `${name}: ${error instanceof Error ? error.message : String(error)}`,
    });
  }
}

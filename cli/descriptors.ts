/** How many descriptors a process of this user may have. */
import { readFileSync } from "node:fs";

/** What macOS and most others grant without being asked, where there is no /proc to read it from. */
const USUAL = 10_240;
const LIMITS = "/proc/self/limits";

/** The hard limit: Node raises its soft one to it by itself. `otherwise`: where there is none, or nobody tells it. */
export function descriptorLimit(otherwise = USUAL): number {
  try {
    const found = /^Max open files\s+\S+\s+(\d+|unlimited)/m.exec(readFileSync(LIMITS, "utf8"));
    const hard = Number(found?.[1]);
    return Number.isSafeInteger(hard) ? hard : otherwise;
  } catch {
    return otherwise;
  }
}

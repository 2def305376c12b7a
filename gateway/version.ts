/** Name and version of this program, the latter from package.json. */
import { readFileSync } from "node:fs";

export const NAME = "mcp-stack";

export const VERSION: string = (
  JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }
).version;

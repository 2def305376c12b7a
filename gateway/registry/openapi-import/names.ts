/** Names of tools and arguments that MCP and its clients take. */

/** MCP 2025-11-25 tools allows 128; a prefix has to fit before it. */
const MAX_NAME = 80;
const MAX_ARGUMENT = 64;

function clean(text: string, max: number): string {
  return text
    .replaceAll(/[^A-Za-z0-9_.-]+/g, "_")
    .replaceAll(/^_+|_+$/g, "")
    .slice(0, max);
}

/** `text` itself, or with _2, _3, … behind it. */
export function free(text: string, taken: ReadonlySet<string>, max: number): string {
  if (!taken.has(text)) return text;
  for (let count = 2; ; count++) {
    const tail = `_${count}`;
    const name = text.slice(0, max - tail.length) + tail;
    if (!taken.has(name)) return name;
  }
}

/** From the operationId, or from method and path: `GET /pets/{id}` is get_pets_by_id. */
export function toolName(operationId: string | undefined, method: string, path: string, taken: ReadonlySet<string>) {
  const own = clean(operationId ?? "", MAX_NAME);
  const words = path.replaceAll(/\{([^{}]*)\}/g, "by_$1").split("/");
  const derived = clean([method.toLowerCase(), ...words.filter((word) => word !== "")].join("_"), MAX_NAME);
  return free(own === "" ? derived : own, taken, MAX_NAME);
}

export function argumentName(name: string, where: string, taken: ReadonlySet<string>): string {
  const plain = clean(name, MAX_ARGUMENT) || where;
  return free(taken.has(plain) ? `${where}_${plain}`.slice(0, MAX_ARGUMENT) : plain, taken, MAX_ARGUMENT);
}

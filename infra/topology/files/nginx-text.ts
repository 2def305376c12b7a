/** nginx's syntax: directives and blocks, indented. Arguments with braces, semicolons or blanks come quoted from here. */

export type Directive = string | { readonly block: string; readonly body: readonly Directive[] };

/** A simple directive; numbers and words only, anything else through `quotedArgument`. */
export function directive(name: string, ...args: readonly (string | number)[]): string {
  return [name, ...args].join(" ").concat(";");
}

export function block(head: string, body: readonly (Directive | undefined)[]): Directive {
  return { block: head, body: body.filter((one) => one !== undefined) };
}

/** For regular expressions and for values with variables: inside quotes only `"` and `\` mean something to nginx's reader. */
export function quotedArgument(value: string): string {
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** The text of a configuration file. */
export function renderDirectives(directives: readonly Directive[], depth = 0): string {
  const indent = "  ".repeat(depth);
  return directives
    .map((one) => {
      if (typeof one === "string") return `${indent}${one}\n`;
      return `${indent}${one.block} {\n${renderDirectives(one.body, depth + 1)}${indent}}\n`;
    })
    .join("");
}

/** Seconds as nginx reads them where milliseconds are allowed. */
export function duration(seconds: number): string {
  return Number.isInteger(seconds) ? `${seconds}s` : `${Math.max(1, Math.round(seconds * 1000))}ms`;
}

/** Where nginx counts whole seconds only: rounded down, for what is kept must not be believed longer than planned. */
export function wholeSeconds(seconds: number): string {
  return `${Math.floor(seconds)}s`;
}
